"""vLLM's router with the arguments of its command, without the server for debugging beside it,
whose packages nothing else here needs."""

import argparse

from vllm_router.router import Router
from vllm_router.router_args import RouterArgs

parser = argparse.ArgumentParser()
RouterArgs.add_cli_args(parser, use_router_prefix=False)
args = RouterArgs.from_cli_args(parser.parse_args(), use_router_prefix=False)
args._validate_router_args()
Router.from_args(args).start()
