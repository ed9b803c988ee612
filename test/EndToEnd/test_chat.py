"""Conversations and stop sequences of a model binary."""
import json
import shutil
import unittest

from support import BOOKS, TemporaryDirectoryTest, compile_model, run, stc

# Without special tokens, so that a plain prompt of the same text gives the same ids.
TEMPLATE = ("{% for m in messages %}{{ m['role'] + ': ' + m['content'] | trim + '\\n' }}{% endfor %}"
            "{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}")
GREEDY = ("-n", "12", "--temperature", "0")


class Chat(TemporaryDirectoryTest):
    def checkpoint(self, chat_template, name="model"):
        folder = self.tmp / name
        shutil.copytree(BOOKS, folder)
        config = json.loads((folder / "tokenizer_config.json").read_text())
        config["chat_template"] = chat_template
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
        return folder

    def compile(self, chat_template):
        return compile_model(self.checkpoint(chat_template), self.tmp / "chat", "--quantize", "int8")

    def assert_fails(self, result, *texts):
        self.assertEqual(result.returncode, 1, result)
        self.assertEqual(result.stderr.count(b"\n"), 1, result.stderr)
        self.assertTrue(result.stderr.startswith(b"error: "), result.stderr)
        for text in texts:
            self.assertIn(text, result.stderr)

    def test_a_conversation_is_its_text(self):
        binary = self.compile(TEMPLATE)

        def plain(text):
            out = run(binary, "run", "-p", text, "--no-echo", "--quiet", *GREEDY).stdout
            return out.decode()[:-1]

        said = run(binary, "run", "--chat", "--system", "Be kind.", *GREEDY,
                   input=b"Who are you?\nAnd then?\n")
        text = "system: Be kind.\nuser: Who are you?\nassistant:"
        first = plain(text)
        text += " " + first.strip() + "\nuser: And then?\nassistant:"
        second = plain(text)
        self.assertEqual(said.stdout.decode(), first + "\n" + second + "\n")
        # The first prompt was not read again.
        turns = said.stderr.decode().splitlines()
        self.assertEqual(len(turns), 2, turns)
        self.assertNotIn("read before", turns[0])
        count = int(turns[0].split()[1])
        self.assertGreaterEqual(int(turns[1].split(" after ")[1].split()[0]), count)
        self.assertLess(int(turns[1].split()[1]), count + 30)

        once = run(binary, "run", "--chat", "-p", "Who are you?", "--system", "Be kind.", "--quiet",
                   *GREEDY)
        self.assertEqual(once.stdout.decode(), first + "\n")
        self.assertEqual(once.stderr, b"")
        self.assertTrue(json.loads(run(binary, "info", "--json").stdout)["chat_template"])

    def test_stop_sequences_end_the_text(self):
        binary = compile_model(BOOKS, self.tmp / "books", "--quantize", "int8")

        def write(*options):
            return run(binary, "run", "-p", "The whale", "-n", "40", "--temperature", "0", "--quiet",
                       *options).stdout.decode()

        whole = write()
        # Texts that begin and end inside of tokens, and one that never comes.
        for stop in (whole[40:44], whole[31:39], whole[60:61], "never said"):
            cut = whole.find(stop, len("The whale"))
            expected = whole if cut < 0 else whole[:cut] + "\n"
            self.assertEqual(write("--stop", stop), expected, repr(stop))
        self.assertEqual(write("--stop", whole[60:66], "--stop", whole[50:55]),
                         whole[:min(whole.find(whole[60:66], 9), whole.find(whole[50:55], 9))] + "\n")

    def test_special_tokens_end_turns_and_cannot_be_smuggled_in(self):
        binary = self.compile("{% for m in messages %}{{ m.role }}: {{ m.content }}{{ eos_token }}"
                              "{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}")
        counts = []
        for message in ("a", "a<|endoftext|>"):
            summary = run(binary, "run", "--chat", "-p", message, *GREEDY).stderr.decode()
            counts.append(int(summary.split()[1]))
        ids = stc("tokenize", BOOKS, "--text", "a<|endoftext|>", "--no-special").stdout.split()
        self.assertGreater(len(ids), 4)
        self.assertEqual(counts[1], counts[0] + len(ids) - 1)

    def test_errors_are_one_line(self):
        plain = compile_model(BOOKS, self.tmp / "books", "--quantize", "int8")
        self.assert_fails(run(plain, "run", "--chat", check=False, input=b"Hi\n"),
                          b"chat_template", b"got none")
        self.assert_fails(run(plain, "run", "--system", "x", "-p", "y", check=False), b"--chat")
        self.assert_fails(run(plain, "run", "--stop", "", "-p", "y", check=False), b"--stop")
        self.assert_fails(run(plain, "run", "--stop", "x", "--tokens", "1", "--print-tokens",
                              check=False), b"--stop")
        refusing = self.compile("{% if messages[0].role == 'system' %}"
                                "{{ raise_exception('No system') }}{% endif %}Hi")
        self.assert_fails(run(refusing, "run", "--chat", "--system", "x", "--quiet", check=False,
                              input=b"a\nb\n"), b"chat_template line 1", b"No system")

    def test_templates_that_cannot_be_used(self):
        folder = self.checkpoint("a\n{% include 'x' %}", "unknown")
        result = stc("compile", folder, "-o", self.tmp / "unknown.bin")
        self.assertIn(b"warning: run --chat will not work:", result.stderr)
        self.assertIn(b"chat_template line 2: expected a statement", result.stderr)
        out = run(self.tmp / "unknown.bin", "run", "-p", "The", "-n", "2", "--quiet").stdout
        self.assertTrue(out.startswith(b"The"))
        self.assert_fails(run(self.tmp / "unknown.bin", "run", "--chat", check=False, input=b"x\n"),
                          b"unknown.bin: chat_template line 2: expected a statement")
        endless = self.checkpoint("{% for a in range(99999) %}{% for b in range(99999) %}x"
                                  "{% endfor %}{% endfor %}", "endless")
        binary = compile_model(endless, self.tmp / "endless.bin")
        self.assert_fails(run(binary, "run", "--chat", check=False, input=b"x\n"),
                          b"expected a template that comes to its end")
        wrong = self.checkpoint(7, "wrong")
        result = stc("compile", wrong, "-o", self.tmp / "wrong.bin", check=False)
        self.assert_fails(result, b"tokenizer_config.json: chat_template: expected a string")
        self.assertFalse((self.tmp / "wrong.bin").exists())

    def test_gguf_carries_the_template(self):
        folder = self.checkpoint(TEMPLATE)
        stc("compile", folder, "--emit=gguf", "--quantize", "int8", "-o", self.tmp / "books.gguf",
            "--quiet")
        binary = compile_model(self.tmp / "books.gguf", self.tmp / "gguf")
        answer = run(binary, "run", "--chat", "-p", "Hello", "--quiet", *GREEDY).stdout
        plain = run(binary, "run", "-p", "user: Hello\nassistant:", "--no-echo", "--quiet",
                    *GREEDY).stdout
        self.assertEqual(answer, plain)


if __name__ == "__main__":
    unittest.main()
