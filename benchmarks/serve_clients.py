#!/usr/bin/env python3
"""Several clients of one server at once, beside as many runs one after the other.

    serve_clients.py BINARY [--clients 1,2,4] [--tokens 64] [--rounds 5] [--threads N]

Prints a line per number of clients: tokens/s of all together and seconds to a client's first token
(medians of the rounds), and the tokens/s of `BINARY run`, started once per text. Servers and runs
alternate, so that what else the machine does falls on both.
"""
import argparse
import http.client
import json
import statistics
import subprocess
import threading
import time

PROMPTS = ["It was a dark night, and the captain", "In the beginning there was a ship that",
           "He said unto them, when the whale", "The old man of the house, who had been"]


class Client(threading.Thread):
    """Reads one text as a stream and notes when its first piece comes."""

    def __init__(self, port, index, tokens, seed):
        super().__init__()
        self.port, self.tokens, self.first = port, 0, None
        self.body = json.dumps({"prompt": PROMPTS[index % len(PROMPTS)], "max_tokens": tokens,
                                "seed": seed, "stream": True, "cache_prompt": False,
                                "stream_options": {"include_usage": True}})

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        start = time.perf_counter()
        connection.request("POST", "/v1/completions", self.body, {"Content-Type": "application/json"})
        for line in connection.getresponse():
            if not line.startswith(b"data: {"):
                continue
            if self.first is None:
                self.first = time.perf_counter() - start
            usage = json.loads(line[6:])["usage"]
            self.tokens = usage["completion_tokens"] if usage else 0
        connection.close()


def serve(port, clients, tokens, seed):
    """Tokens per second of all clients, and the mean time to the first token."""
    threads = [Client(port, i, tokens, seed) for i in range(clients)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - start
    return (sum(thread.tokens for thread in threads) / seconds,
            statistics.mean(thread.first for thread in threads))


def run(binary, texts, tokens, seed, threads):
    """Tokens per second of runs one after the other, with the start of each."""
    start, count = time.perf_counter(), 0
    for i in range(texts):
        out = subprocess.run([binary, "run", "-p", PROMPTS[i % len(PROMPTS)], "-n", str(tokens),
                              "--seed", str(seed), "--print-tokens", "--quiet", *threads],
                             check=True, capture_output=True).stdout
        count += len(out.split())
    return count / (time.perf_counter() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary")
    parser.add_argument("--clients", default="1,2,4")
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads")
    options = parser.parse_args()
    threads = ["--threads", options.threads] if options.threads else []
    counts = [int(count) for count in options.clients.split(",")]
    server = subprocess.Popen([options.binary, "serve", "--port", "0", "--quiet", *threads],
                              stdout=subprocess.PIPE)
    try:
        port = int(server.stdout.readline().decode().rsplit(":", 1)[1])
        serve(port, max(counts), 4, 0)  # touches every slot's memory
        served = {count: [] for count in counts}
        alone = {count: [] for count in counts}
        for seed in range(options.rounds):
            for count in counts:
                served[count].append(serve(port, count, options.tokens, seed))
                alone[count].append(run(options.binary, count, options.tokens, seed, threads))
        for count in counts:
            rate, first = (statistics.median(column) for column in zip(*served[count]))
            print(f"{count} clients: {rate:.1f} tokens/s, first token after {first * 1000:.1f} ms; "
                  f"{count} runs one after the other: {statistics.median(alone[count]):.1f} tokens/s")
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
