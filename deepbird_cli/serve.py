"""``deepbird serve``: a model folder behind a Thrift port."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Annotated

import typer

from deepbird_cli.progress import step
from deepbird_cli.quiet import quiet_tensorflow

__all__ = ["serve"]

# Read when NumPy loads: a second thread collapses when anything else wants the core.
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def serve(
    model: Annotated[Path, typer.Argument(help="The model folder.")],
    port: Annotated[int, typer.Option(help="TCP port; 0 takes a free one.")] = 9090,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    backend: Annotated[str, typer.Option(help="auto, compiled, litert or tensorflow.")] = "auto",
    most: Annotated[int, typer.Option(help="Records that go through the model at once.")] = 1024,
) -> None:
    """Answer getPrediction and getBatchPrediction, framed or buffered, until interrupted.

    GET /health and GET /metrics are answered on the same port. Start one process a core.
    """
    for name in _ONE_THREAD:
        os.environ.setdefault(name, "1")
    quiet_tensorflow()
    with step("loading the model"):
        from deepbird_v2.serving.predictor import Predictor
        from deepbird_v2.serving.service import Service

        predictor = Predictor.load(model, backend)  # type: ignore[arg-type]  # it checks the name
        service = Service(predictor, most)
    asyncio.run(_serve(service, host, port))


async def _serve(service: object, host: str, port: int) -> None:
    from deepbird_v2.serving.service import Service

    assert isinstance(service, Service)  # noqa: S101 - for the type checker; made above
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with service.listen(host, port) as server:
        place = server.sockets[0].getsockname()
        typer.echo(f"{service.predictor.name} on {place[0]}:{place[1]}; {service.predictor.choice}")
        await stop.wait()
