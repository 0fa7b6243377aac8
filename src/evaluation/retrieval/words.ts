/** Words that keys are made of; each is used at most once in a document. */
export const KEY_WORDS: readonly string[] = `
anchor apple arrow autumn badge bakery balcony bamboo banner basket beacon beaver bishop blanket
blossom bottle branch bridge bucket butter button cabin camera candle canyon carpet castle cherry
chimney circle clover coffee comet copper coral cotton cradle crystal curtain daisy desert diamond
dragon drawer eagle ember engine falcon feather fiddle flower forest fountain galaxy garden garlic
ginger glacier hammer harbor harvest helmet honey island ivory jacket jungle kettle ladder lantern
lemon leopard library lily lizard magnet maple marble meadow mirror monkey mountain mustard needle
nickel ocean olive orange orchard oyster paddle palace panther parrot pebble pepper pigeon pillow
planet pocket potato prairie pumpkin puzzle rabbit ribbon river rocket saddle salmon sapphire
shadow shelter silver spider spoon squirrel statue sugar summit sunset table teapot temple thunder
tiger timber tomato tower tractor treasure tulip tunnel turtle umbrella valley velvet village
violin violet walnut water whistle willow window winter wizard zebra acorn almond amber apron
attic bacon barrel barley bench berry bicycle biscuit bonfire bracelet bronze broom bubble buffalo
cactus cannon canoe carrot cartoon cellar cement ceramic chalk chapel charcoal chess chicken
cinnamon citrus clarinet clock cloud coconut collar compass cookie corner cottage cricket crown
cucumber cushion cypress dancer dolphin donkey doorway dove drum dungeon easel elbow elephant elm
emerald envelope fabric farmer fern ferry flamingo flute fossil fox frame freezer frost furnace
gallery gazelle giraffe glove goat goose granite grape gravel guitar hazel hawk hedge heron hinge
hollow hornet horse iceberg igloo ink iron ivy jasmine jewel jigsaw jockey judge juniper kangaroo
kayak kitchen kite knight knot lace lagoon lamp lark lava leaf lettuce lever lighthouse lime linen
lion lobster locket lotus mango mantle market mask medal melon mercury meteor mill mint mitten
moat mole moss moth motor mouse museum napkin nest nightfall nutmeg oak oasis oat onion opal
orchid organ otter owl ox paint panda papaya parade parsley pastry peach peacock pearl pencil
penguin piano picnic pier pine pirate plum polar pond pony poppy porch prism pulley puppet quartz
quill quilt radish raft railway rain raven reef reindeer rice robin roof rose rowboat ruby rust
sail sailor sand satin scarf school seal seed shark shell ship shovel shrimp sketch sled smoke
snail snow soap sock sparrow spruce stable stairs stamp star steam stone stork storm stove straw
stream swan sword syrup tailor tea tent thistle thorn tide toast torch toy trail train trumpet
trunk turnip twig urn vase vault vine vinegar wagon wallet walrus wasp
`.trim().split(/\s+/);
