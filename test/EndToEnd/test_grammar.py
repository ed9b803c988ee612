"""Texts that follow a grammar or a JSON schema."""
import json
import unittest

from support import BOOKS, TemporaryDirectoryTest, compile_model, run

SCHEMA = {"type": "object",
          "properties": {"name": {"type": "string", "minLength": 3, "maxLength": 20},
                         "age": {"type": "integer"},
                         "ship": {"enum": ["Pequod", "Nautilus"]},
                         "crew": {"type": "array", "minItems": 1, "maxItems": 3,
                                  "items": {"type": "string", "maxLength": 12}}},
          "required": ["name", "ship", "crew"]}


def begins_json(text):
    """Whether something can be put behind `text` to make it JSON."""
    closing, in_string, escaped = "", False, False
    for c in text:
        if in_string:
            in_string, escaped = escaped or c != '"', not escaped and c == "\\"
        elif c == '"':
            in_string = True
        elif c in "{[":
            closing = {"{": "}", "[": "]"}[c] + closing
        elif c in "}]":
            closing = closing[1:]
    ends = ["", "0", ":0", '"":0', "null"]
    ends += [word[i:] for word in ("true", "false", "null") for i in range(1, len(word))]
    ends += [inside + end for inside in ("", "n", "0", "00", "000", "0000")
             for end in ('"', '":0')]
    for end in ends:
        try:
            json.loads(text + end + closing)
            return True
        except json.JSONDecodeError:
            pass
    return False


class Grammars(TemporaryDirectoryTest):
    def setUp(self):
        super().setUp()
        self.binary = compile_model(BOOKS, self.tmp / "books", "--quantize", "int8")

    def file(self, name, text):
        path = self.tmp / name
        path.write_text(text)
        return path

    def generate(self, *options, seed=1, tokens=300):
        out = run(self.binary, "run", "-p", "The captain: ", "--no-echo", "--quiet", "-n", tokens,
                  "--seed", seed, *options)
        return out.stdout.decode()[:-1]

    def test_json_of_a_schema(self):
        schema = self.file("schema.json", json.dumps(SCHEMA))
        texts = set()
        for seed in range(1, 7):
            text = self.generate("--json-schema", schema, "--temperature", "1.2", seed=seed)
            value = json.loads(text)
            self.assertLessEqual({"name", "ship", "crew"}, set(value))
            self.assertLessEqual(set(value), set(SCHEMA["properties"]))
            self.assertTrue(3 <= len(value["name"]) <= 20, value)
            self.assertIn(value["ship"], ("Pequod", "Nautilus"))
            self.assertTrue(1 <= len(value["crew"]) <= 3, value)
            self.assertTrue(all(isinstance(c, str) and len(c) <= 12 for c in value["crew"]), value)
            self.assertIsInstance(value.get("age", 0), int)
            texts.add(text)
        self.assertGreater(len(texts), 4)

    def test_any_json(self):
        # Values may go on for long, so what was generated has to be the beginning of one.
        for seed in range(1, 9):
            text = self.generate("--json", "--temperature", "1.5", seed=seed, tokens=60)
            self.assertTrue(begins_json(text), text)
        for text in ("{,", "[1 2", "tru}", '{"a" "b"', "01"):
            self.assertFalse(begins_json(text), text)

    def test_a_grammar(self):
        grammar = self.file("g.gbnf", 'root ::= ("Yes" | "No") ", " name "." # an answer\n'
                                      'name ::= "captain" | "s\\u0069r"\n')
        answers = {f"{a}, {n}." for a in ("Yes", "No") for n in ("captain", "sir")}
        for seed in range(1, 7):
            self.assertIn(self.generate("--grammar", grammar, seed=seed), answers)
        # The end comes by itself even where an end of text is not taken.
        self.assertIn(self.generate("--grammar", grammar, "--ignore-eos"), answers)

    def test_errors_are_one_line(self):
        for option, text, expected in (
                ("--grammar", "root ::= root", b"g.txt: grammar line 1: expected rules that do not"),
                ("--grammar", "", b"g.txt: grammar: expected a rule 'root'"),
                ("--json-schema", "{", b"g.txt: schema: expected JSON"),
                ("--json-schema", '{"minimum": 1}', b"g.txt: schema: expected the keywords")):
            path = self.file("g.txt", text)
            result = run(self.binary, "run", "-p", "x", option, path, check=False)
            self.assertEqual(result.returncode, 1)
            self.assertEqual(result.stderr.count(b"\n"), 1, result.stderr)
            self.assertIn(expected, result.stderr)
            self.assertEqual(result.stdout, b"")
        result = run(self.binary, "run", "-p", "x", "--json", "--grammar", path, check=False)
        self.assertIn(b"at most one of --json, --json-schema, --grammar", result.stderr)


if __name__ == "__main__":
    unittest.main()
