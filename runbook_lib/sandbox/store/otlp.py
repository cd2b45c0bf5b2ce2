"""The store's front door: OTLP over HTTP, as a collector or Tempo's distributor offers it on port 4318.

Answers follow opentelemetry.io/docs/specs/otlp: the reply has the request's content type, a good export gets an empty
ExportTraceServiceResponse, a bad one 400 with a google.rpc.Status. Partial success is not used: all or nothing.
"""

import zlib

import orjson
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from runbook_lib.sandbox.store.decode import MalformedExportError, decode_json, decode_protobuf
from runbook_lib.sandbox.store.spans import Store

MAX_BODY_BYTES = 256 * 1024 * 1024
_PROTOBUF = "application/x-protobuf"
_JSON = "application/json"
_INVALID_ARGUMENT = 3


def create_otlp_app(store: Store) -> Starlette:
    """POST /v1/traces into the store."""

    async def export(request: Request) -> Response:
        kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
        if kind not in (_PROTOBUF, _JSON):
            text = f"415 unsupported media type, supported: [{_JSON}, {_PROTOBUF}]"
            return Response(text, 415, media_type="text/plain")
        try:
            body = _unpacked(await request.body(), request.headers.get("content-encoding", ""))
            spans = decode_protobuf(body) if kind == _PROTOBUF else decode_json(body)
        except MalformedExportError as error:
            return _refused(kind, str(error))
        store.add(spans)
        if kind == _JSON:
            return Response(b'{"partialSuccess":{}}', media_type=_JSON)
        return Response(ExportTraceServiceResponse().SerializeToString(), media_type=_PROTOBUF)

    return Starlette(routes=[Route("/v1/traces", export, methods=["POST"])])


def _unpacked(body: bytes, encoding: str) -> bytes:
    """The body without its content encoding. Raises MalformedExportError for a broken, unknown or overlarge one."""
    encoding = encoding.strip().lower()
    try:
        if encoding == "gzip":
            body = _bounded(zlib.decompressobj(wbits=31), body)
        elif encoding in ("deflate", "zlib"):
            body = _bounded(zlib.decompressobj(), body)
        elif encoding not in ("", "identity", "none"):
            raise MalformedExportError(f'unsupported "Content-Encoding": {encoding}')
    except zlib.error as error:
        raise MalformedExportError(f"{encoding}: {error}") from None
    return body


def _bounded(unpacker: "zlib._Decompress", body: bytes) -> bytes:
    out = unpacker.decompress(body, MAX_BODY_BYTES)
    if unpacker.unconsumed_tail:
        raise MalformedExportError(f"the body unpacks to more than {MAX_BODY_BYTES} bytes")
    if not unpacker.eof:
        raise MalformedExportError("unexpected end of the compressed body")
    return out


def _refused(kind: str, message: str) -> Response:
    if kind == _JSON:
        return Response(orjson.dumps({"code": _INVALID_ARGUMENT, "message": message}), 400, media_type=_JSON)
    status = Status(code=_INVALID_ARGUMENT, message=message)
    return Response(status.SerializeToString(), 400, media_type=_PROTOBUF)
