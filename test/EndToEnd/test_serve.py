"""Models over HTTP: `OUT serve` and `stc serve MODEL`, in OpenAI's form."""
import base64
import contextlib
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest

import test_encoders
from encoders import Bert
from support import BIN, BOOKS, SHARED, TemporaryDirectoryTest, compile_model, needs_shared, run

TEMPLATE = ("{% for m in messages %}{{ m.role }}: {{ m.content }}{{ eos_token }}{% endfor %}"
            "{% if add_generation_prompt %}assistant:{% endif %}")
PROMPT = "It was a dark night, and the captain"
JSON = {"Content-Type": "application/json"}
# Tests run beside each other, where threads wait longer for each other than they help.
THREADS = ("--threads", "1")


class Server:
    """A program that serves, as long as the block that it manages."""

    def __init__(self, *command, **options):
        self.process = subprocess.Popen([*map(str, command), *THREADS, "--port", "0"],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
        line = self.process.stdout.readline().decode()
        if not line.startswith("listening on http://127.0.0.1:"):
            raise AssertionError(line + self.process.communicate(timeout=60)[1].decode())
        self.port = int(line.rsplit(":", 1)[1])

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        status, errors = self.stop()
        if exception == (None, None, None) and (status != 0 or "error" in errors):
            raise AssertionError(f"exit {status}: {errors}")

    def stop(self, number=signal.SIGTERM):
        """The exit status and what was said on standard error."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        errors = self.process.communicate(timeout=60)[1].decode()
        return self.process.returncode, errors

    def request(self, method, path, body=None, headers=JSON):
        """Status and body; the body is JSON where it can be."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        with contextlib.closing(connection):
            if body is not None and not isinstance(body, bytes):
                body = json.dumps(body).encode()
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            data = response.read()
            is_json = response.headers["Content-Type"] == "application/json"
            return response.status, json.loads(data) if is_json else data.decode()

    def post(self, path, **fields):
        status, answer = self.request("POST", path, fields)
        if status != 200:
            raise AssertionError(f"{status}: {answer}")
        return answer

    def complete(self, prompt=PROMPT, **fields):
        return self.post("/v1/completions", prompt=prompt, **fields)

    def text(self, prompt=PROMPT, **fields):
        return self.complete(prompt, **fields)["choices"][0]["text"]

    def raw(self, data, later=b"", half_close=False):
        """All that comes back for these bytes, and for others a little later, until the server
        closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            with contextlib.suppress(OSError):
                connection.sendall(data)
                if later:
                    time.sleep(0.1)
                    connection.sendall(later)
                if half_close:
                    connection.shutdown(socket.SHUT_WR)
            answer = b""
            with contextlib.suppress(OSError):
                while chunk := connection.recv(1 << 16):
                    answer += chunk
            return answer


def events(stream):
    """The data of server-sent events."""
    parts = stream.split("\n\n")
    assert parts[-1] == "" and all(part.startswith("data: ") for part in parts[:-1]), stream
    data = [part[len("data: "):] for part in parts[:-1]]
    assert data[-1] == "[DONE]", stream
    return [json.loads(item) for item in data[:-1]]


def post_bytes(body, *headers):
    lines = ["POST /v1/completions HTTP/1.1", "Host: x", "Content-Type: application/json",
             f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Served(unittest.TestCase):
    """One model, which has a chat template, and one server for all tests that leave it running."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        checkpoint = pathlib.Path(folder.name) / "checkpoint"
        shutil.copytree(BOOKS, checkpoint)
        config = json.loads((checkpoint / "tokenizer_config.json").read_text())
        config["chat_template"] = TEMPLATE
        (checkpoint / "tokenizer_config.json").write_text(json.dumps(config))
        cls.binary = compile_model(checkpoint, pathlib.Path(folder.name) / "books", "--quantize", "int8")
        cls.server = cls.enterClassContext(Server(cls.binary, "serve", "--quiet"))

    def refused(self, status, text, body, path="/v1/completions", headers=JSON, method="POST"):
        got, answer = self.server.request(method, path, body, headers)
        self.assertEqual(got, status, answer)
        self.assertEqual(set(answer["error"]), {"message", "type", "param", "code"})
        self.assertIn(text, answer["error"]["message"])
        return answer["error"]

    def run_text(self, *options, prompt=PROMPT):
        out = run(self.binary, "run", "-p", prompt, "--no-echo", "--quiet", *THREADS,
                  *options).stdout
        return out.decode()[:-1]


class Books(Served):
    """What is asked, and what is answered."""

    def test_one_text_however_it_is_asked_for(self):
        want = self.run_text("-n", "24", "--seed", "7")
        whole = self.server.complete(max_tokens=24, seed=7)
        self.assertEqual(whole["choices"][0]["text"], want)
        self.assertEqual(whole["choices"][0]["finish_reason"], "length")
        self.assertEqual(whole["object"], "text_completion")
        usage = whole["usage"]
        self.assertEqual(usage["completion_tokens"], 24)
        self.assertEqual(usage["total_tokens"], usage["prompt_tokens"] + 24)
        stream = events(self.server.complete(max_tokens=24, seed=7, stream=True,
                                             stream_options={"include_usage": True}))
        self.assertEqual("".join(e["choices"][0]["text"] for e in stream[:-1]), want)
        self.assertEqual({e["id"] for e in stream}, {stream[0]["id"]})
        self.assertEqual([e["choices"][0]["finish_reason"] for e in stream[-3:-1]], [None, "length"])
        self.assertEqual(stream[-1]["choices"], [])
        # The second time the prompt had been read but for its last token.
        self.assertEqual(stream[-1]["usage"]["prompt_tokens_details"]["cached_tokens"],
                         usage["prompt_tokens"] - 1)
        ids = run(self.binary, "tokenize", "--text", PROMPT).stdout.decode().split()
        self.assertEqual(self.server.text([int(i) for i in ids], max_tokens=24, seed=7), want)
        sampling = {"temperature": 0.5, "top_k": 5, "top_p": 0.8, "min_p": 0.05,
                    "repeat_penalty": 1.3}
        options = [word for key, value in sampling.items()
                   for word in ("--" + key.replace("_", "-"), value)]
        self.assertEqual(self.server.text(max_tokens=16, seed=3, **sampling),
                         self.run_text("-n", "16", "--seed", "3", *options))
        self.assertNotEqual(self.server.text(max_tokens=24), self.server.text(max_tokens=24))

    def test_stops_and_forms(self):
        whole = self.run_text("-n", "24", "--temperature", "0")
        stop = whole[20:24]
        answer = self.server.complete(max_tokens=24, temperature=0, stop=stop)["choices"][0]
        self.assertEqual(answer["text"], whole[:whole.find(stop)])
        self.assertEqual(answer["finish_reason"], "stop")
        pieces = events(self.server.complete(max_tokens=24, temperature=0, stop=["never", stop],
                                             stream=True))
        self.assertEqual("".join(e["choices"][0]["text"] for e in pieces), answer["text"])
        schema = {"type": "object", "properties": {"name": {"enum": ["Ahab", "Pip"]},
                                                   "old": {"type": "boolean"}},
                  "required": ["name", "old"]}
        form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
        for _ in range(2):
            value = json.loads(self.server.text("As JSON: ", response_format=form))
            self.assertIn(value["name"], ("Ahab", "Pip"))
            self.assertIsInstance(value["old"], bool)
        self.assertRegex(self.server.text("Page ", grammar="root ::= [0-9]{3} \".\""), r"^\d{3}\.$")
        begun = self.server.text("As JSON: ", max_tokens=1, response_format={"type": "json_object"})
        self.assertIn(begun.strip()[:1], set("[{\"0123456789-tfn"))

    def chat(self, *contents, **fields):
        roles = ["user", "assistant"] * len(contents)
        return self.server.post("/v1/chat/completions", messages=[
            {"role": role, "content": content} for role, content in zip(roles, contents)], **fields)

    def test_chats(self):
        run_chat = run(self.binary, "run", "--chat", "-p", "Who are you?", "-n", "12", "--seed", "5",
                       "--quiet", *THREADS).stdout.decode()[:-1]
        answer = self.chat("Who are you?", max_tokens=12, seed=5)
        self.assertEqual(answer["object"], "chat.completion")
        self.assertEqual(answer["choices"][0]["message"], {"role": "assistant", "content": run_chat})
        parts = [{"type": "text", "text": "Who are"}, {"type": "text", "text": " you?"}]
        stream = events(self.chat(parts, max_completion_tokens=12, seed=5, stream=True))
        self.assertEqual(stream[0]["choices"][0]["delta"], {"role": "assistant", "content": ""})
        self.assertEqual(stream[0]["object"], "chat.completion.chunk")
        self.assertEqual("".join(e["choices"][0]["delta"].get("content", "") for e in stream),
                         run_chat)
        self.assertEqual(stream[-1]["choices"][0]["delta"], {})
        # The next turn finds the one before in the cache; the answer's end mark may part them.
        more = self.chat("Who are you?", run_chat, "And then?", max_tokens=4, temperature=0)
        first = answer["usage"]["prompt_tokens"]
        self.assertGreaterEqual(more["usage"]["prompt_tokens_details"]["cached_tokens"], first - 1)
        fresh = self.chat("Who are you?", run_chat, "And then?", max_tokens=4, temperature=0,
                          cache_prompt=False)
        self.assertEqual(more["choices"], fresh["choices"])
        self.assertEqual(fresh["usage"]["prompt_tokens_details"]["cached_tokens"], 0)
        # The text of a special token stays text.
        plain, special = (self.chat(text, max_tokens=1)["usage"]["prompt_tokens"]
                          for text in ("a", "a<|endoftext|>"))
        ids = run(self.binary, "tokenize", "--text", "a<|endoftext|>", "--no-special").stdout.split()
        self.assertEqual(special, plain + len(ids) - 1)

    def test_errors_have_openais_form(self):
        self.assertEqual(self.refused(400, "max_tokens: expected a whole number from 1", {
            "prompt": "x", "max_tokens": -1})["param"], "max_tokens")
        self.refused(400, "body: expected JSON", b"{")
        self.refused(400, "body: expected JSON", b'{"prompt": "\xff"}')
        self.refused(400, "at most 64 levels", b'{"prompt": ' + b"[" * 100000 + b"]" * 100000 + b"}")
        self.refused(400, "frequency_penalty: expected a number from -2 to 2, got 3",
                     {"prompt": "x", "frequency_penalty": 3})
        self.refused(400, "n: expected a whole number from 1 to 128, got 0", {"prompt": "x", "n": 0})
        self.refused(400, "suffix: expected", {"prompt": "x", "suffix": "y"})
        self.refused(400, "tools: expected", {"messages": [{"role": "user", "content": "x"}],
                                              "tools": [{"type": "function"}]},
                     path="/v1/chat/completions")
        self.refused(400, "rounds: expected fields that are supported", {"prompt": "x", "rounds": 1})
        error = self.refused(400, "tokens (the context this model was compiled for), got 9",
                             {"prompt": "word " * 9000})
        self.assertEqual(error["code"], "context_length_exceeded")
        self.refused(400, "an id from 0 to 2047, got 2048", {"prompt": [2048]})
        self.refused(400, "grammar", {"prompt": "x", "grammar": "root ::= other"})
        self.refused(400, "an encoder, which turns texts into vectors", {"input": "x"},
                     path="/v1/embeddings")
        self.refused(404, "expected checkpoint, got gpt", {"prompt": "x", "model": "gpt"})
        self.refused(404, "path: expected /health", {}, path="/v1/nothing")
        self.refused(405, "expected POST", None, method="GET")
        self.refused(405, "expected GET", {}, path="/v1/models")
        self.refused(415, "application/json", {"prompt": "x"}, headers={"Content-Type": "text/plain"})

    def test_requests_at_once_take_turns(self):
        seeds = range(6)
        want = [self.server.text(max_tokens=12, seed=seed) for seed in seeds]
        got = [None] * len(seeds)

        def ask(seed):
            got[seed] = self.server.text(max_tokens=12, seed=seed)

        threads = [threading.Thread(target=ask, args=(seed,)) for seed in seeds]
        for thread in threads:
            thread.start()
        status, answer = self.server.request("GET", "/health")
        self.assertEqual((status, answer), (200, {"status": "ok"}))
        for thread in threads:
            thread.join()
        self.assertEqual(got, want)
        # Several requests in one go on one connection.
        one = post_bytes(b'{"prompt": "It was", "max_tokens": 2}')
        last = post_bytes(b'{"prompt": "It was", "max_tokens": 2}', "Connection: close")
        self.assertEqual(self.server.raw(one + one + last).count(b"HTTP/1.1 200 OK"), 3)
        # And one that comes while the one before is answered.
        long = post_bytes(b'{"prompt": "It", "max_tokens": 500, "grammar": "root ::= [a-z ]*"}')
        self.assertEqual(self.server.raw(long, last).count(b"HTTP/1.1 200 OK"), 2)

    def test_garbage_does_not_end_the_server(self):
        generator = random.Random(1)
        whole = post_bytes(b'{"prompt": "It", "max_tokens": 1}')
        for _ in range(40):
            self.server.raw(generator.randbytes(generator.randrange(300)), half_close=True)
            broken = bytearray(whole)
            for _ in range(3):
                broken[generator.randrange(len(broken))] = generator.randrange(256)
            self.server.raw(bytes(broken), half_close=True)
        for text, status in (
                (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100000 + b"\r\n\r\n", 400),
                (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\nabc", 400),
                (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n", 413),
                (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n", 413),
                (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 413),
                (b"BREW / HTTP/1.1\r\n\r\n", 501), (b"\0\r\n\r\n", 400)):
            head, _, body = self.server.raw(text).partition(b"\r\n\r\n")
            self.assertIn(f"HTTP/1.1 {status}".encode(), head[:20], text[:60])
            self.assertIn(b"\r\nContent-Type: application/json", head)
            self.assertEqual(set(json.loads(body)["error"]), {"message", "type", "param", "code"})
        fields = ["prompt", "max_tokens", "temperature", "stop", "seed", "stream", "grammar",
                  "response_format", "model", "n", "logprobs", "top_k", "stream_options"]
        values = [None, -1, 0, 2, 0.5, 1e300, "", "x", [], ["x"], [[1]], {}, {"type": "json_object"},
                  True, "\0", "\ud7ff", 1 << 70]
        for _ in range(100):
            body = {generator.choice(fields): generator.choice(values) for _ in range(4)}
            body["max_tokens"] = body.get("max_tokens", 2)
            status, _ = self.server.request("POST", "/v1/completions", body)
            self.assertIn(status, (200, 400, 404), body)
        self.assertEqual(self.server.request("GET", "/health")[0], 200)

    def test_clients_that_leave_end_their_texts(self):
        for stream in (True, False):
            server = Server(self.binary, "serve", "--parallel", "1")
            body = {"prompt": "It was", "max_tokens": 1000, "seed": 1, "stream": stream,
                    "grammar": "root ::= [a-z ]*"}
            with socket.create_connection(("127.0.0.1", server.port)) as connection:
                connection.sendall(post_bytes(json.dumps(body).encode()))
                if stream:
                    connection.recv(1000)
                else:
                    time.sleep(0.1)
            server.text(max_tokens=1)
            status, errors = server.stop()
            self.assertEqual(status, 0)
            counts = [int(line.split("text ")[1].split()[0]) for line in errors.splitlines()]
            self.assertEqual(counts[-1], 1)
            # None at all if the client had left before its turn came.
            self.assertEqual(len(counts), 2 if stream else len(counts))
            for count in counts[:-1]:
                self.assertLess(count, 1000)

    def test_silent_clients_are_left_unless_they_wait(self):
        with Server(self.binary, "serve", "--timeout", "1", "--quiet") as server:
            with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
                connection.sendall(b"POST /v1/completions HTTP/1.1\r\nContent-Le")
                self.assertNotIn(b"200", connection.recv(1000))
            reasons = []

            def ask(seed):
                answer = server.complete(max_tokens=1000, seed=seed, grammar="root ::= [a-z ]*")
                reasons.append(answer["choices"][0]["finish_reason"])

            start = time.time()
            while time.time() - start < 1.2 and len(reasons) < 64:
                threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(4)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
            self.assertEqual(len(reasons) % 4, 0)
            self.assertEqual(set(reasons), {"length"})

    def test_keys(self):
        environment = {**os.environ, "STC_API_KEY": "secret"}
        for options, env in ((("--api-key", "secret"), None), ((), environment)):
            with Server(self.binary, "serve", "--quiet", *options, env=env) as server:
                self.assertEqual(server.request("GET", "/health")[0], 200)
                for headers in ({}, {"Authorization": "Bearer secre"}):
                    status, answer = server.request("GET", "/v1/models", headers=headers)
                    self.assertEqual(status, 401)
                    self.assertEqual(answer["error"]["code"], "invalid_api_key")
                status, answer = server.request("GET", "/v1/models",
                                                headers={"Authorization": "Bearer secret"})
                self.assertEqual([model["id"] for model in answer["data"]], ["checkpoint"])

    def test_signals_end_it_and_bad_options_are_one_line(self):
        server = Server(self.binary, "serve", "--quiet")
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(post_bytes(b'{"prompt": "It", "max_tokens": 1000, "seed": 1}'))
            time.sleep(0.3)
            self.assertEqual(server.stop(signal.SIGINT), (0, ""))
        taken = str(self.server.port)
        for options, text in ((("--port", taken), f"other than 127.0.0.1:{taken}, got Address already in use"),
                              (("--port", "65536"), "--port: expected a whole number from 0 to 65535"),
                              (("--host", "no.such.host.invalid"), "--host: expected an address of this"),
                              (("--host", ""), "--host: expected an address, got an empty one"),
                              (("--timeout", "0"), "--timeout: expected a whole number from 1"),
                              (("--api-key", ""), "--api-key: expected a key"),
                              (("--parallel", "0"), "--parallel: expected a whole number from 1"),
                              (("--queue", "0"), "--queue: expected a whole number from 1"),
                              (("--cors", "example.org"), "--cors: expected * or an origin"),
                              (("--cors", "http://a\r\nX: y"), "--cors: expected * or an origin")):
            result = run(self.binary, "serve", *options, check=False, timeout=60)
            self.assertEqual(result.returncode, 1)
            self.assertEqual(result.stderr.count(b"\n"), 1, result.stderr)
            self.assertTrue(result.stderr.startswith(b"error: serve: "), result.stderr)
            self.assertIn(text, result.stderr.decode())


class Others(TemporaryDirectoryTest):
    @needs_shared
    def test_a_checkpoint_is_compiled_first(self):
        environment = dict(os.environ, XDG_CACHE_HOME=str(self.tmp / "cache"))
        stories = SHARED / "models" / "stories260k"
        with Server(BIN / "stc", "serve", stories, "--quantize", "int8", "--quiet",
                    env=environment) as server:
            text = server.text("Once upon a time", max_tokens=20, seed=2)
        out = run(BIN / "stc", "run", stories, "--quantize", "int8", "-p", "Once upon a time", "-n",
                  "20", "--seed", "2", "--quiet", env=environment).stdout.decode()
        self.assertEqual("Once upon a time" + text + "\n", out)

    def test_vectors(self):
        family = Bert()
        family.write(self.tmp / "bert", family.tensors())
        test_encoders.word_piece(self.tmp / "bert")
        binary = compile_model(self.tmp / "bert", self.tmp / "vectors")
        texts = ["The quicker fox sleeps!", "a fox"]
        want = json.loads(run(binary, "embed", "--text", texts[0], "--text", texts[1],
                              "--json").stdout)["embeddings"]
        with Server(binary, "serve", "--quiet") as server:
            answer = server.post("/v1/embeddings", input=texts)
            self.assertEqual([row["embedding"] for row in answer["data"]],
                             [row["embedding"] for row in want])
            self.assertEqual(answer["usage"], {"prompt_tokens": 12, "total_tokens": 12})
            packed = server.post("/v1/embeddings", input=[2, 10, 7, 3], encoding_format="base64")
            data = base64.b64decode(packed["data"][0]["embedding"])
            for got, expected in zip(struct.unpack(f"<{len(data) // 4}f", data), want[1]["embedding"]):
                self.assertAlmostEqual(got, expected, places=6)
            status, answer = server.request("POST", "/v1/completions", {"prompt": "a"})
            self.assertEqual(status, 400)
            self.assertIn("expected a decoder", answer["error"]["message"])
            status, answer = server.request("POST", "/v1/embeddings", {"input": "fox " * 70})
            self.assertIn("input: expected 1 to 64 tokens", answer["error"]["message"])


if __name__ == "__main__":
    unittest.main()
