// Compiles SPIR-V files to compute pipelines and prints the driver's statistics of each as lines
// of "name<TAB>value", then one that is empty. With Mesa's RADV_FORCE_FAMILY there is no device.
//
//     cc -o pipeline_statistics pipeline_statistics.c -lvulkan
//     RADV_FORCE_FAMILY=gfx1100 ./pipeline_statistics UNIFORMS FILE...
//
// UNIFORMS has bit b if binding b is a uniform buffer; all others of the first 16 are storage.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <vulkan/vulkan.h>

#define BINDING_COUNT 16

static void check(VkResult result, const char *what) {
  if (result == VK_SUCCESS) return;
  fprintf(stderr, "Cannot %s: %d\n", what, result);
  exit(1);
}

static uint32_t *read_words(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  if (!file) {
    perror(path);
    exit(1);
  }
  fseek(file, 0, SEEK_END);
  *size = (size_t)ftell(file);
  rewind(file);
  uint32_t *words = malloc(*size);
  if (fread(words, 1, *size, file) != *size) exit(1);
  fclose(file);
  return words;
}

static VkDevice open_device(void) {
  VkApplicationInfo application = {
      .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO, .apiVersion = VK_API_VERSION_1_3};
  VkInstanceCreateInfo instance_info = {
      .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO, .pApplicationInfo = &application};
  VkInstance instance;
  check(vkCreateInstance(&instance_info, NULL, &instance), "open Vulkan");
  uint32_t count = 1;
  VkPhysicalDevice physical = VK_NULL_HANDLE;
  vkEnumeratePhysicalDevices(instance, &count, &physical);
  if (count == 0) check(VK_ERROR_INITIALIZATION_FAILED, "find a device");
  VkPhysicalDeviceVulkan13Features v13 = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES};
  VkPhysicalDeviceVulkan12Features v12 = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES, .pNext = &v13};
  VkPhysicalDeviceVulkan11Features v11 = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES, .pNext = &v12};
  VkPhysicalDeviceFeatures2 features = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, .pNext = &v11};
  vkGetPhysicalDeviceFeatures2(physical, &features);
  VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR properties = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR,
      .pNext = &features,
      .pipelineExecutableInfo = VK_TRUE};
  float priority = 1;
  VkDeviceQueueCreateInfo queue = {.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                                   .queueCount = 1,
                                   .pQueuePriorities = &priority};
  const char *extension = VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME;
  VkDeviceCreateInfo device_info = {.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
                                    .pNext = &properties,
                                    .queueCreateInfoCount = 1,
                                    .pQueueCreateInfos = &queue,
                                    .enabledExtensionCount = 1,
                                    .ppEnabledExtensionNames = &extension};
  VkDevice device;
  check(vkCreateDevice(physical, &device_info, NULL, &device), "open the device");
  return device;
}

static VkPipelineLayout make_layout(VkDevice device, uint32_t uniforms) {
  VkDescriptorSetLayoutBinding bindings[BINDING_COUNT];
  for (uint32_t binding = 0; binding < BINDING_COUNT; binding++) {
    bindings[binding] = (VkDescriptorSetLayoutBinding){
        .binding = binding,
        .descriptorType = uniforms >> binding & 1 ? VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER
                                                  : VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
        .descriptorCount = 1,
        .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT};
  }
  VkDescriptorSetLayoutCreateInfo set_info = {
      .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
      .bindingCount = BINDING_COUNT,
      .pBindings = bindings};
  VkDescriptorSetLayout set;
  check(vkCreateDescriptorSetLayout(device, &set_info, NULL, &set), "lay bindings out");
  VkPipelineLayoutCreateInfo info = {.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
                                     .setLayoutCount = 1,
                                     .pSetLayouts = &set};
  VkPipelineLayout layout;
  check(vkCreatePipelineLayout(device, &info, NULL, &layout), "lay the pipeline out");
  return layout;
}

static void print_statistics(VkDevice device, VkPipeline pipeline) {
  PFN_vkGetPipelineExecutableStatisticsKHR get =
      (PFN_vkGetPipelineExecutableStatisticsKHR)vkGetDeviceProcAddr(
          device, "vkGetPipelineExecutableStatisticsKHR");
  VkPipelineExecutableInfoKHR info = {.sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR,
                                      .pipeline = pipeline};
  uint32_t count = 64;
  VkPipelineExecutableStatisticKHR statistics[64];
  for (uint32_t index = 0; index < count; index++) {
    statistics[index] = (VkPipelineExecutableStatisticKHR){
        .sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_STATISTIC_KHR};
  }
  check(get(device, &info, &count, statistics), "read statistics");
  for (uint32_t index = 0; index < count; index++) {
    printf("%s\t%llu\n", statistics[index].name,
           (unsigned long long)statistics[index].value.u64);
  }
  printf("\n");
}

int main(int count, char **arguments) {
  VkDevice device = open_device();
  VkPipelineLayout layout = make_layout(device, (uint32_t)atoi(arguments[1]));
  for (int index = 2; index < count; index++) {
    size_t size;
    uint32_t *words = read_words(arguments[index], &size);
    VkShaderModuleCreateInfo module_info = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO, .codeSize = size, .pCode = words};
    VkShaderModule module;
    check(vkCreateShaderModule(device, &module_info, NULL, &module), arguments[index]);
    VkComputePipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .flags = VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR,
        .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                  .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                  .module = module,
                  .pName = "main"},
        .layout = layout};
    VkPipeline pipeline;
    check(vkCreateComputePipelines(device, VK_NULL_HANDLE, 1, &info, NULL, &pipeline),
          arguments[index]);
    print_statistics(device, pipeline);
    free(words);
  }
  return 0;
}
