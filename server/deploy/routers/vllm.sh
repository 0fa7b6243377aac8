#!/bin/sh
# vLLM's router in front of three replicas, by sessions: pip install vllm-router==0.1.17
exec vllm-router --host 0.0.0.0 --port 9000 \
  --worker-urls http://replica-1:8000 http://replica-2:8000 http://replica-3:8000 \
  --policy consistent_hash \
  --health-check-endpoint /health --health-check-interval-secs 1 --health-failure-threshold 1 \
  --health-success-threshold 1 --cb-failure-threshold 2 --cb-timeout-duration-secs 5 \
  --prometheus-port 29000
