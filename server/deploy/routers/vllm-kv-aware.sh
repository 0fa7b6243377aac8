#!/bin/sh
# vLLM's router in front of three replicas, by the blocks that each says it has. Replicas run with
# --kv-events 'tcp://*:5557' --kv-events-replay 'tcp://*:5558' --kv-events-form maps-in-array
# pip install vllm-router==0.1.17
exec vllm-router --host 0.0.0.0 --port 9000 \
  --worker-urls http://replica-1:8000 http://replica-2:8000 http://replica-3:8000 \
  --policy kv_aware --kv-event-block-size 64 --kv-event-model local \
  --kv-event-source http://replica-1:8000=tcp://replica-1:5557 \
  --kv-event-source http://replica-2:8000=tcp://replica-2:5557 \
  --kv-event-source http://replica-3:8000=tcp://replica-3:5557 \
  --kv-event-replay-source http://replica-1:8000=tcp://replica-1:5558 \
  --kv-event-replay-source http://replica-2:8000=tcp://replica-2:5558 \
  --kv-event-replay-source http://replica-3:8000=tcp://replica-3:5558 \
  --health-check-endpoint /health --health-check-interval-secs 1 --health-failure-threshold 1 \
  --health-success-threshold 1 --cb-failure-threshold 2 --cb-timeout-duration-secs 5 \
  --prometheus-port 29000
