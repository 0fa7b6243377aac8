"""Holds the manifests of Kubernetes' own kinds in a file against its schemas, without leniency.

Argument: the file. Prints the kinds that it held against them.
"""

import sys

import kubernetes_validate
import yaml

KINDS = ("Deployment", "Service")

with open(sys.argv[1], encoding="utf-8") as file:
    for manifest in yaml.safe_load_all(file):
        if manifest["kind"] in KINDS:
            kubernetes_validate.validate(manifest, "1.37", strict=True)
            print(manifest["kind"])
