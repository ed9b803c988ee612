"""Several clients of one server at once: turns, caches, queues, hostile HTTP, and the end."""
import contextlib
import http.client
import json
import re
import signal
import socket
import threading
import time
import unittest

import test_serve
from support import run
from test_serve import PROMPT, Server, events, post_bytes

# Goes on for as many tokens as asked for.
ENDLESS = {"max_tokens": 900, "grammar": "root ::= [a-z ]*", "stream": True}


def together(calls):
    """Makes all calls at once and returns what they return."""
    results = [None] * len(calls)

    def make(index):
        results[index] = calls[index]()

    threads = [threading.Thread(target=make, args=(i,)) for i in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


class Stream:
    """A request that is answered in pieces, as long as the block that it manages."""

    def __init__(self, server, **fields):
        self.connection = socket.create_connection(("127.0.0.1", server.port), timeout=60)
        self.connection.sendall(post_bytes(json.dumps({"prompt": "It was", **fields}).encode()))
        self.text = self.connection.recv(1 << 16)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.connection.close()

    def read(self, end=None):
        """What comes up to `end`, or until the server closes."""
        while end is None or end not in self.text:
            piece = self.connection.recv(1 << 16)
            if not piece:
                break
            self.text += piece
        return self.text


def counters(server):
    status, text = server.request("GET", "/metrics", headers={})
    assert status == 200, text
    return {name: float(value) for name, value in re.findall(r"^(stc_\S+) (\S+)$", text, re.M)}


def await_slots(server, most):
    """Until at most so many slots are busy: one is free again just after its answer was sent."""
    deadline = time.time() + 60
    while (busy := counters(server)["stc_slots_busy"]) > most:
        assert time.time() < deadline, f"{busy} slots stay busy"
        time.sleep(0.01)


class Clients(test_serve.Served):
    def test_twenty_at_once_have_the_texts_that_run_writes(self):
        asked = [(prompt, seed) for prompt in (PROMPT, "He said", "The whale", "And God")
                 for seed in range(5)]
        texts = together([lambda p=prompt, s=seed: self.server.text(p, max_tokens=10, seed=s)
                          for prompt, seed in asked])
        for index in (0, 7, 19):
            prompt, seed = asked[index]
            self.assertEqual(texts[index],
                             self.run_text("-n", "10", "--seed", str(seed), prompt=prompt))
        # And each is its own, in whatever order they are asked for.
        again = together([lambda p=prompt, s=seed: self.server.text(p, max_tokens=10, seed=s)
                          for prompt, seed in reversed(asked)])
        self.assertEqual(texts, again[::-1])
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.server.port)) as one:
            for prompt, seed in asked[:3]:
                body = json.dumps({"prompt": prompt, "seed": seed, "max_tokens": 10})
                one.request("POST", "/v1/completions", body, test_serve.JSON)
                answer = json.loads(one.getresponse().read())
                self.assertEqual(answer["choices"][0]["text"], texts[asked.index((prompt, seed))])

    def test_a_long_text_does_not_keep_a_short_one_waiting(self):
        name = 'stc_requests_total{path="/v1/completions",status="499"}'
        for _ in range(20):
            with Stream(self.server, **ENDLESS, seed=1) as long:
                answer = self.server.complete(max_tokens=2)
                self.assertEqual(answer["usage"]["completion_tokens"], 2)
                self.assertNotIn(b"[DONE]", long.text)
                await_slots(self.server, 1)
            await_slots(self.server, 0)
            # Unless it had come to its end, the long one's client left before.
            if counters(self.server).get(name, 0) >= 1:
                return
        self.fail("every long text came to its end")

    def test_conversations_keep_their_caches(self):
        begins = ["Once there was a ship that sailed from Nantucket. ",
                  "In the beginning the earth was without form, and void. "]
        texts = list(begins)
        for turn in range(3):
            for i in range(2):
                answer = self.server.complete(texts[i], max_tokens=6, seed=turn)
                usage = answer["usage"]
                cached = usage["prompt_tokens_details"]["cached_tokens"]
                if turn:
                    # All but where the text before ended, which tokens may cut otherwise.
                    self.assertGreater(cached, usage["prompt_tokens"] - 6)
                fresh = self.server.complete(texts[i], max_tokens=6, seed=turn, cache_prompt=False)
                self.assertEqual(fresh["choices"], answer["choices"])
                texts[i] += answer["choices"][0]["text"] + " And then"

    def test_the_queue_has_an_end(self):
        with Server(self.binary, "serve", "--quiet", "--parallel", "1", "--queue", "1") as server:
            # Tried again where the first text was at its end before the third came.
            self.assertTrue(any(self.refuses_the_third(server) for _ in range(20)))

    def refuses_the_third(self, server):
        with Stream(server, **ENDLESS):
            waiting = threading.Thread(target=server.text, kwargs={"max_tokens": 1})
            waiting.start()
            while waiting.is_alive() and counters(server)["stc_requests_waiting"] < 1:
                time.sleep(0.01)
            with contextlib.closing(
                    http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)) as third:
                third.request("POST", "/v1/completions", b'{"prompt": "x", "max_tokens": 1}',
                              test_serve.JSON)
                answer = third.getresponse()
                body = json.loads(answer.read())
        waiting.join()
        if answer.status == 200:
            return False
        self.assertEqual(answer.status, 503)
        self.assertEqual(answer.headers["Retry-After"], "1")
        self.assertIn("1 requests wait", body["error"]["message"])
        return True

    def test_several_texts_of_one_request(self):
        answer = self.server.complete([PROMPT, "He said"], n=2, seed=4, max_tokens=6)
        self.assertEqual([c["index"] for c in answer["choices"]], [0, 1, 2, 3])
        want = [self.server.text(prompt, seed=seed, max_tokens=6)
                for prompt in (PROMPT, "He said") for seed in (4, 5)]
        self.assertEqual([c["text"] for c in answer["choices"]], want)
        self.assertEqual(answer["usage"]["completion_tokens"], 24)
        pieces = events(self.server.complete([PROMPT, "He said"], n=2, seed=4, max_tokens=6,
                                             stream=True))
        got = [""] * 4
        for piece in pieces:
            choice = piece["choices"][0]
            got[choice["index"]] += choice["text"]
        self.assertEqual(got, want)

    def test_how_likely_tokens_were(self):
        answer = self.server.complete(max_tokens=5, temperature=0, logprobs=3, echo=True)
        choice, told = answer["choices"][0], answer["choices"][0]["logprobs"]
        self.assertTrue(choice["text"].startswith(PROMPT))
        count = answer["usage"]["total_tokens"]
        for key in ("tokens", "token_logprobs", "top_logprobs", "text_offset"):
            self.assertEqual(len(told[key]), count)
        self.assertIsNone(told["token_logprobs"][0])
        for offset, token in zip(told["text_offset"], told["tokens"]):
            self.assertEqual(choice["text"][offset:offset + len(token)], token)
        # Greedy: each is the most likely.
        for value, likely in list(zip(told["token_logprobs"], told["top_logprobs"]))[-5:]:
            self.assertEqual(value, max(likely.values()))
        # Token by token the same as at once.
        prompt_only = self.server.complete(max_tokens=0, logprobs=0, echo=True)["choices"][0]
        self.assertEqual(prompt_only["text"], PROMPT)
        for a, b in zip(prompt_only["logprobs"]["token_logprobs"][1:], told["token_logprobs"][1:]):
            self.assertAlmostEqual(a, b, places=4)
        chat = self.server.post("/v1/chat/completions", max_tokens=3, logprobs=True, top_logprobs=2,
                                messages=[{"role": "user", "content": "Who?"}])["choices"][0]
        content = chat["logprobs"]["content"]
        self.assertEqual("".join(t["token"] for t in content), chat["message"]["content"])
        self.assertEqual([bytes(t["bytes"]).decode() for t in content], [t["token"] for t in content])
        self.assertEqual({len(t["top_logprobs"]) for t in content}, {2})

    def test_biases_and_penalties(self):
        space = int(run(self.binary, "tokenize", "--text", " the", "--no-special").stdout)
        self.assertEqual(self.server.text(max_tokens=4, logit_bias={str(space): 100}), " the" * 4)
        bias = {str(space): 6}
        plain = self.server.text(max_tokens=8, temperature=0, logit_bias=bias)
        varied = self.server.text(max_tokens=8, temperature=0, logit_bias=bias,
                                  frequency_penalty=2, presence_penalty=2)
        self.assertLess(varied.count(" the"), plain.count(" the"))

    def test_hostile_http(self):
        body = b'{"prompt": "It was", "max_tokens": 1, "seed": 1}'
        whole = post_bytes(body, "Connection: close")
        want = self.server.text("It was", max_tokens=1, seed=1)

        def text_of(answer):
            return json.loads(answer.partition(b"\r\n\r\n")[2])["choices"][0]["text"]

        # Byte by byte, while others are served.
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=60) as slow:
            for i in range(0, len(whole), 7):
                slow.sendall(whole[i:i + 7])
                if i % 70 == 0:
                    self.assertEqual(self.server.request("GET", "/health")[0], 200)
            answer = b""
            while piece := slow.recv(1 << 16):
                answer += piece
            self.assertEqual(text_of(answer), want)
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(body[i:i + 9]), body[i:i + 9])
                          for i in range(0, len(body), 9)) + b"0\r\n\r\n"
        head = (b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n")
        self.assertEqual(text_of(self.server.raw(head + chunks)), want)
        self.assertEqual(text_of(self.server.raw(head + chunks[:20], chunks[20:])), want)
        # An expectation, which curl has of long bodies.
        expecting = post_bytes(body, "Expect: 100-continue", "Connection: close")
        answer = self.server.raw(expecting[:-len(body)], body)
        self.assertTrue(answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\n"))
        self.assertIn(want.encode(), answer)
        # Two bodies where one was announced: the second is no request.
        answer = self.server.raw(post_bytes(body) + body + b"\r\n\r\n")
        self.assertEqual(re.findall(rb"HTTP/1.1 (\d+)", answer), [b"200", b"400"])
        for text, status in ((post_bytes(b"\xff\xfe{}", "Connection: close"), 400),
                             (post_bytes(b'{"prompt": "\\ud800"}', "Connection: close"), 400),
                             (b"GET /v1/models HTTP/9.9\r\nConnection: close\r\n\r\n", None),
                             (b"GET /%00 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
                             (b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", 501)):
            answer = self.server.raw(text)
            if status:
                self.assertIn(f"HTTP/1.1 {status}".encode(), answer[:20], text)
                self.assertIn("error", json.loads(answer.partition(b"\r\n\r\n")[2]))
            self.assertNotIn(b"<HTML>", answer)
        # Whoever says that nothing more comes does not wait: the text ends, and its slot is free.
        self.server.raw(post_bytes(json.dumps({"prompt": "x", **ENDLESS}).encode()), half_close=True)
        self.assertEqual(self.server.text("It was", max_tokens=1, seed=1), want)

    def test_who_does_not_read_does_not_hold_others(self):
        streams = [Stream(self.server, **ENDLESS, logprobs=20) for _ in range(3)]
        try:
            for _ in range(3):
                self.server.text(max_tokens=2)
        finally:
            for stream in streams:
                stream.connection.close()

    def test_web_pages(self):
        with Server(self.binary, "serve", "--quiet", "--cors", "https://example.org") as server:
            answer = server.raw(b"OPTIONS /v1/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                                b"Access-Control-Request-Headers: authorization\r\n\r\n")
            self.assertTrue(answer.startswith(b"HTTP/1.1 204"))
            for line in (b"Access-Control-Allow-Origin: https://example.org",
                         b"Access-Control-Allow-Headers: authorization"):
                self.assertIn(line, answer)
            answer = server.raw(post_bytes(b"{}", "Connection: close"))
            self.assertIn(b"Access-Control-Allow-Origin: https://example.org", answer)
        answer = self.server.raw(b"OPTIONS / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        self.assertNotIn(b"Access-Control", answer)

    def end(self, tokens, signals):
        """What a client gets of so many tokens while the server is told to end, `signals` times."""
        server = Server(self.binary, "serve", "--quiet", "--grace", "60")
        with Stream(server, **dict(ENDLESS, max_tokens=tokens)) as stream:
            server.process.send_signal(signal.SIGTERM)
            while True:
                try:
                    socket.create_connection(("127.0.0.1", server.port), timeout=5).close()
                except ConnectionRefusedError:
                    break
            if signals > 1:
                server.process.send_signal(signal.SIGTERM)
            text = stream.read(b"0\r\n\r\n")
        self.assertEqual(server.process.wait(timeout=60), 0)
        server.stop()
        return text

    def test_texts_come_to_their_end_before_the_server(self):
        text = self.end(60, signals=1)
        self.assertIn(b'"finish_reason": "length"', text)
        self.assertIn(b"data: [DONE]", text)

    def test_a_second_signal_ends_texts(self):
        # Tried again where the text was faster.
        self.assertTrue(any(b'"message": "the server ends"' in self.end(900, signals=2)
                            for _ in range(20)))


if __name__ == "__main__":
    unittest.main()
