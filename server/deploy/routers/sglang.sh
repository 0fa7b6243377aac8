#!/bin/sh
# SGLang's gateway in front of three replicas: pip install sglang-router==0.3.2
exec sglang-router launch --host 0.0.0.0 --port 9000 \
  --worker-urls http://replica-1:8000 http://replica-2:8000 http://replica-3:8000 \
  --policy cache_aware --balance-abs-threshold 8 --balance-rel-threshold 1.5 \
  --health-check-endpoint /health --health-check-interval-secs 1 --health-failure-threshold 1 \
  --health-success-threshold 1 --cb-failure-threshold 2 --cb-timeout-duration-secs 5 \
  --prometheus-port 29000
