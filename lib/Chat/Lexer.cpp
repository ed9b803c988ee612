// Text, tags and tokens; white space around tags is dealt with here.
#include "Lexer.h"

#include "stc/Support/Utf8.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

#include <algorithm>

namespace stc::jinja {

namespace {

constexpr absl::string_view kOperators[] = {"**", "//", "==", "!=", "<=", ">=", "+", "-", "*",
                                            "/",  "%",  "~",  "<",  ">",  "(",  ")", "[", "]",
                                            "{",  "}",  ",",  ":",  ".",  "|",  "="};

bool isSpace(char c) { return absl::ascii_isspace(c); }
bool isNameStart(char c) { return absl::ascii_isalpha(c) || c == '_'; }
bool isNamePart(char c) { return isNameStart(c) || absl::ascii_isdigit(c); }

class Lexer {
public:
  Lexer(absl::string_view text, const std::string &file) : text(text), file(file) {}

  absl::StatusOr<std::vector<Token>> run() {
    while (at < text.size()) {
      size_t tag = findTag();
      addText(tag);
      if (tag == text.size())
        break;
      STC_RETURN_IF_ERROR(text[tag + 1] == '#' ? skipComment() : readTag());
    }
    add(Token::Kind::End);
    return std::move(tokens);
  }

private:
  absl::Status error(absl::string_view expected, absl::string_view got) const {
    return templateError(file, lineAt(at), expected, got);
  }
  /// Places are asked for from left to right, so newlines are counted once.
  int lineAt(size_t place) const {
    line += int(std::count(text.begin() + long(counted), text.begin() + long(place), '\n'));
    counted = std::max(counted, place);
    return line;
  }
  void add(Token::Kind kind, std::string value = {}) {
    tokens.emplace_back();
    tokens.back().kind = kind;
    tokens.back().line = lineAt(at);
    tokens.back().text = std::move(value);
  }

  size_t findTag() const {
    for (size_t i = at; i + 1 < text.size(); ++i)
      if (text[i] == '{' && (text[i + 1] == '{' || text[i + 1] == '%' || text[i + 1] == '#'))
        return i;
    return text.size();
  }

  /// Adds the text up to the tag at `tag` and moves there.
  void addText(size_t tag) {
    absl::string_view part = text.substr(at, tag - at);
    char mark = tag + 2 < text.size() ? text[tag + 2] : ' ';
    if (tag < text.size() && mark == '-') {
      while (!part.empty() && isSpace(part.back()))
        part.remove_suffix(1);
    } else if (tag < text.size() && text[tag + 1] != '{' && mark != '+') {
      size_t newline = part.rfind('\n');
      size_t lineStart = newline == part.npos ? 0 : newline + 1;
      bool blank = part.find_first_not_of(" \t", lineStart) == part.npos;
      if (blank && (lineStart > 0 || startsLine))
        part = part.substr(0, lineStart);
    }
    if (!part.empty())
      add(Token::Kind::Text, std::string(part));
    at = tag;
  }

  /// Steps over the end of a tag, `size` bytes that may begin with a mark, and what it trims.
  void passEnd(size_t size, bool trimsNewline) {
    char mark = text[at];
    at += size;
    size_t from = at;
    if (mark == '-')
      while (at < text.size() && isSpace(text[at]))
        ++at;
    else if (mark != '+' && trimsNewline && at < text.size() && text[at] == '\n')
      ++at;
    startsLine = at > from && text[at - 1] == '\n';
  }

  absl::Status skipComment() {
    size_t end = text.find("#}", at + 2);
    if (end == text.npos)
      return error("'#}' to end the comment", "the end of the template");
    bool marked = end > at + 2 && (text[end - 1] == '-' || text[end - 1] == '+');
    at = marked ? end - 1 : end;
    passEnd(marked ? 3 : 2, true);
    return absl::OkStatus();
  }

  absl::Status readTag() {
    bool output = text[at + 1] == '{';
    add(output ? Token::Kind::OutputBegin : Token::Kind::StatementBegin);
    at += 2;
    if (at < text.size() && (text[at] == '-' || text[at] == '+'))
      ++at;
    absl::string_view end = output ? "}}" : "%}";
    int open = 0; // braces and brackets, inside of which nothing ends the tag
    while (true) {
      while (at < text.size() && isSpace(text[at]))
        ++at;
      absl::string_view rest = text.substr(at);
      bool marked = !rest.empty() && (rest[0] == '-' || (rest[0] == '+' && !output));
      if (open == 0 && absl::StartsWith(rest.substr(marked ? 1 : 0), end)) {
        add(output ? Token::Kind::OutputEnd : Token::Kind::StatementEnd);
        passEnd(marked ? 3 : 2, !output);
        return absl::OkStatus();
      }
      if (rest.empty())
        return error(absl::StrCat("'", end, "' to end the tag"), "the end of the template");
      STC_RETURN_IF_ERROR(readToken(open));
    }
  }

  absl::Status readToken(int &open) {
    char c = text[at];
    size_t end = at;
    if (isNameStart(c)) {
      while (end < text.size() && isNamePart(text[end]))
        ++end;
      add(Token::Kind::Name, std::string(text.substr(at, end - at)));
      at = end;
      return absl::OkStatus();
    }
    if (absl::ascii_isdigit(c))
      return readNumber();
    if (c == '\'' || c == '"')
      return readString(c);
    for (absl::string_view name : kOperators)
      if (absl::StartsWith(text.substr(at), name)) {
        add(Token::Kind::Operator, std::string(name));
        open += c == '(' || c == '[' || c == '{';
        open -= (c == ')' || c == ']' || c == '}') && open > 0;
        at += name.size();
        return absl::OkStatus();
      }
    return error("an expression", absl::StrCat("'", printable(text.substr(at, 1)), "'"));
  }

  absl::Status readNumber() {
    size_t end = at;
    auto digits = [&] {
      while (end < text.size() && (absl::ascii_isdigit(text[end]) || text[end] == '_'))
        ++end;
    };
    digits();
    bool real = end + 1 < text.size() && text[end] == '.' && absl::ascii_isdigit(text[end + 1]);
    if (real) {
      ++end;
      digits();
    }
    if (end + 1 < text.size() && (text[end] == 'e' || text[end] == 'E')) {
      size_t exponent = end + 1 + (text[end + 1] == '-' || text[end + 1] == '+');
      if (exponent < text.size() && absl::ascii_isdigit(text[exponent])) {
        real = true;
        end = exponent;
        digits();
      }
    }
    std::string digitsText = absl::StrReplaceAll(text.substr(at, end - at), {{"_", ""}});
    add(real ? Token::Kind::Double : Token::Kind::Integer, digitsText);
    bool good = real ? absl::SimpleAtod(digitsText, &tokens.back().number)
                     : absl::SimpleAtoi(digitsText, &tokens.back().integer);
    if (!good)
      return error("a number of at most 64 bits", printable(digitsText));
    at = end;
    return absl::OkStatus();
  }

  absl::Status readString(char quote) {
    std::string value;
    for (size_t i = at + 1; i < text.size(); ++i) {
      if (text[i] == quote) {
        add(Token::Kind::String, std::move(value));
        at = i + 1;
        return absl::OkStatus();
      }
      if (text[i] != '\\' || i + 1 == text.size()) {
        value += text[i];
        continue;
      }
      STC_RETURN_IF_ERROR(readEscape(++i, value));
    }
    return error("a quote to end the string", "the end of the template");
  }

  /// The character after a backslash, at `i`, which becomes the last place of the escape.
  absl::Status readEscape(size_t &i, std::string &value) {
    static constexpr absl::string_view letters = "nrtbfav\\'\"\n", values = "\n\r\t\b\f\a\v\\'\"";
    size_t known = letters.find(text[i]);
    if (known != letters.npos) {
      if (known < values.size())
        value += values[known]; // a backslash before a newline means nothing
      return absl::OkStatus();
    }
    size_t digits = text[i] == 'x' ? 2 : text[i] == 'u' ? 4 : text[i] == 'U' ? 8 : 0;
    if (digits == 0) {
      value += '\\';
      value += text[i];
      return absl::OkStatus();
    }
    uint32_t code = 0;
    absl::string_view hex = text.substr(i + 1, digits);
    bool scalar =
        hex.size() == digits && std::all_of(hex.begin(), hex.end(), absl::ascii_isxdigit) &&
        absl::SimpleHexAtoi(hex, &code) && code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
    if (!scalar)
      return error("an escape of a Unicode character", printable(text.substr(i - 1, digits + 2)));
    appendUtf8(value, code);
    i += digits;
    return absl::OkStatus();
  }

  absl::string_view text;
  const std::string &file;
  std::vector<Token> tokens;
  size_t at = 0;
  bool startsLine = true; // whether what stands at `at` after a tag begins a line
  mutable int line = 1;
  mutable size_t counted = 0;
};

} // namespace

absl::StatusOr<std::vector<Token>> tokenize(absl::string_view text, const std::string &file) {
  std::string lines = absl::StrReplaceAll(text, {{"\r\n", "\n"}, {"\r", "\n"}});
  if (absl::EndsWith(lines, "\n"))
    lines.pop_back(); // as Jinja does
  return Lexer(lines, file).run();
}

} // namespace stc::jinja
