"""Reads events of blocks with ZeroMQ's own library and prints them as JSON, a batch a line.

Arguments: address of the publisher, address for replays, how many batches to take.
"""

import json
import sys

import msgspec
import zmq


class Event(msgspec.Struct, array_like=True, tag=True):
    pass


class BlockStored(Event):
    block_hashes: list[int | bytes]
    parent_block_hash: int | bytes | None
    token_ids: list[int]
    block_size: int
    lora_id: int | None = None
    medium: str | None = None
    lora_name: str | None = None


class BlockRemoved(Event):
    block_hashes: list[int | bytes]
    medium: str | None = None


class AllBlocksCleared(Event):
    pass


class Batch(msgspec.Struct, array_like=True):
    ts: float
    events: list[BlockStored | BlockRemoved | AllBlocksCleared]
    data_parallel_rank: int | None = None


DECODER = msgspec.msgpack.Decoder(Batch)


def show(kind: str, sequence: int, payload: bytes) -> None:
    batch = DECODER.decode(payload)
    events = [[type(event).__name__, *msgspec.structs.astuple(event)] for event in batch.events]
    print(json.dumps([kind, sequence, events]), flush=True)


def main() -> None:
    endpoint, replay, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    context = zmq.Context()
    subscriber = context.socket(zmq.SUB)
    subscriber.setsockopt_string(zmq.SUBSCRIBE, "kv@")
    subscriber.setsockopt(zmq.RCVTIMEO, 20_000)
    subscriber.connect(endpoint)
    print(json.dumps(["ready"]), flush=True)
    for _ in range(count):
        topic, sequence, payload = subscriber.recv_multipart()
        show(topic.decode(), int.from_bytes(sequence, "big"), payload)
    dealer = context.socket(zmq.DEALER)
    dealer.setsockopt(zmq.RCVTIMEO, 20_000)
    dealer.connect(replay)
    dealer.send_multipart([b"", (0).to_bytes(8, "big")])
    while True:
        _, sequence, payload = dealer.recv_multipart()
        number = int.from_bytes(sequence, "big", signed=True)
        if number == -1:
            break
        show("replay", number, payload)
    print(json.dumps(["end"]), flush=True)


main()
