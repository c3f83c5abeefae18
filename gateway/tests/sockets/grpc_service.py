"""A gRPC service, or one call of it, by grpcio without generated code: messages are bytes."""

import json
import queue
import sys
import time
from concurrent import futures

import grpc


def told(context):
    return json.dumps(dict(context.invocation_metadata())).encode()


class Service(grpc.GenericRpcHandler):
    def service(self, call):
        return {
            "/private/orders.Orders/Echo": grpc.unary_unary_rpc_method_handler(self.echo),
            "/private/orders.Orders/Count": grpc.unary_stream_rpc_method_handler(self.count),
            "/private/orders.Orders/Join": grpc.stream_unary_rpc_method_handler(self.join),
            "/private/orders.Orders/Talk": grpc.stream_stream_rpc_method_handler(self.talk),
            "/private/orders.Orders/Tick": grpc.stream_stream_rpc_method_handler(self.tick),
            "/private/orders.Orders/Who": grpc.unary_unary_rpc_method_handler(lambda _, context: told(context)),
            "/private/orders.Orders/Fail": grpc.unary_unary_rpc_method_handler(self.fail),
            "/private/orders.Orders/Late": grpc.unary_stream_rpc_method_handler(self.late),
            "/private/orders.Orders/Sleep": grpc.unary_unary_rpc_method_handler(self.sleep),
        }.get(call.method)

    def echo(self, message, context):
        context.send_initial_metadata((("x-initial", "i"),))
        context.set_trailing_metadata((("x-trailing", "t"), ("x-user-id", "u-evil")))
        return message

    def count(self, message, context):
        for number in range(int(message)):
            yield str(number).encode()

    def join(self, messages, context):
        return b",".join(messages)

    def talk(self, messages, context):
        yield from (message.upper() for message in messages)

    def tick(self, messages, context):
        yield next(messages)
        for _ in range(8):
            time.sleep(0.3)
            yield b"."

    def fail(self, message, context):
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not today")

    def late(self, message, context):
        yield b"first"
        context.abort(grpc.StatusCode.ABORTED, "in the middle")

    def sleep(self, message, context):
        time.sleep(3)
        return b""


def serve():
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    server.add_generic_rpc_handlers((Service(),))
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    # Until its input ends.
    sys.stdin.read()
    server.stop(0)


def failed(call):
    try:
        call()
    except grpc.RpcError as error:
        return [error.code().name, error.details()]
    return ["OK", ""]


def converse(method, metadata):
    """Each message only after the answer to the one before."""
    said = queue.SimpleQueue()
    answers = method(iter(said.get, None), metadata=metadata)
    heard = []
    for word in (b"one", b"two", b"three"):
        said.put(word)
        heard.append(next(answers).decode())
    said.put(None)
    return heard + [answers.code().name]


def listen(method, metadata):
    """One message, and then nothing while the answers come."""
    said = queue.SimpleQueue()
    said.put(b"go")
    heard = b"".join(method(iter(said.get, None), metadata=metadata)).decode()
    said.put(None)
    return heard


def call(port, ca, token):
    with open(ca, "rb") as file:
        credentials = grpc.ssl_channel_credentials(file.read())
    bearer = (("authorization", f"Bearer {token}"), ("x-user-role", "ADMIN"), ("x-mine", "m"))
    with grpc.secure_channel(f"localhost:{port}", credentials) as channel:
        path = "/private/orders.Orders/"
        unary = lambda name: channel.unary_unary(path + name)
        echoed, echo = unary("Echo").with_call(b"hello", metadata=bearer)
        large = b"x" * 3_000_000
        answers = {
            "echo": echoed.decode(),
            "initial": dict(echo.initial_metadata()).get("x-initial"),
            "trailing": [name for name, _ in echo.trailing_metadata() if name.startswith("x-")],
            "large": unary("Echo")(large, metadata=bearer) == large,
            "count": [part.decode() for part in channel.unary_stream(path + "Count")(b"3", metadata=bearer)],
            "join": channel.stream_unary(path + "Join")(iter([b"a", b"b", b"c"]), metadata=bearer).decode(),
            "talk": [m.decode() for m in channel.stream_stream(path + "Talk")(iter([b"a", b"b"]), metadata=bearer)],
            "converse": converse(channel.stream_stream(path + "Talk"), bearer),
            "listen": listen(channel.stream_stream(path + "Tick"), bearer),
            "who": json.loads(unary("Who")(b"", metadata=bearer)),
            "fail": failed(lambda: unary("Fail")(b"", metadata=bearer)),
            "late": failed(lambda: list(channel.unary_stream(path + "Late")(b"", metadata=bearer))),
            "nothing": failed(lambda: unary("Nothing")(b"", metadata=bearer)),
            "deadline": failed(lambda: unary("Sleep")(b"", metadata=bearer, timeout=0.3))[0],
            "after": unary("Echo")(b"again", metadata=bearer).decode(),
            "stranger": failed(lambda: unary("Echo")(b"", metadata=()))[0],
        }
    json.dump(answers, sys.stdout)


serve() if sys.argv[1] == "serve" else call(*sys.argv[2:])
