// Reads grammars in GBNF notation.
#include "GrammarParser.h"

#include "stc/Support/Utf8.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include <algorithm>

namespace stc {

namespace {

constexpr size_t kMostElements = 50000;
constexpr size_t kLongestText = 1 << 20;
constexpr int kDeepest = 100;
constexpr uint32_t kLastCharacter = 0x10FFFF;

} // namespace

int GrammarParser::line() const {
  size_t place = std::min(at, text.size());
  lines += int(std::count(text.begin() + long(counted), text.begin() + long(place), '\n'));
  counted = place; // the parser never goes back
  return lines;
}

absl::Status GrammarParser::error(absl::string_view expected, absl::string_view got) const {
  return formatError({file, absl::StrCat("grammar line ", line()), {}}, expected, got);
}

absl::Status GrammarParser::error(absl::string_view expected) const {
  if (at >= text.size())
    return error(expected, "the end");
  size_t length = std::max<size_t>(1, decodeUtf8(text, at).length);
  return error(expected, absl::StrCat("'", printable(text.substr(at, length)), "'"));
}

absl::Status GrammarParser::charge(size_t count) {
  elements += count;
  if (elements > kMostElements)
    return error(absl::StrCat("a grammar of at most ", kMostElements, " items"), "a larger one");
  return absl::OkStatus();
}

void GrammarParser::skip(bool newlines) {
  while (at < text.size()) {
    if (text[at] == '#')
      while (at < text.size() && text[at] != '\n')
        ++at;
    else if (text[at] == ' ' || text[at] == '\t' ||
             (newlines && (text[at] == '\n' || text[at] == '\r')))
      ++at;
    else
      return;
  }
}

absl::string_view GrammarParser::name() {
  size_t begin = at;
  while (at < text.size() && (absl::ascii_isalnum(text[at]) || text[at] == '-' || text[at] == '_'))
    ++at;
  return text.substr(begin, at - begin);
}

uint32_t GrammarParser::ruleNamed(absl::string_view wanted) {
  auto [found, isNew] = names.try_emplace(std::string(wanted), uint32_t(rules.size()));
  if (isNew)
    rules.push_back({std::string(wanted), 0, {}});
  return found->second;
}

absl::StatusOr<uint32_t> GrammarParser::addRule(std::vector<Sequence> alternatives) {
  size_t count = 1;
  for (const Sequence &sequence : alternatives)
    count += 1 + sequence.size();
  STC_RETURN_IF_ERROR(charge(count));
  rules.push_back({"", line(), std::move(alternatives)});
  return uint32_t(rules.size() - 1);
}

uint32_t GrammarParser::addSet(const std::bitset<256> &set) {
  auto found = std::find(sets.begin(), sets.end(), set);
  if (found == sets.end())
    found = sets.insert(sets.end(), set);
  return uint32_t(found - sets.begin());
}

absl::StatusOr<std::shared_ptr<const Grammar>> GrammarParser::parse() {
  if (text.size() > kLongestText)
    return formatError({file, "grammar", {}}, absl::StrCat("at most ", kLongestText, " bytes"),
                       absl::StrCat(text.size()));
  if (!isValidUtf8(text))
    return formatError({file, "grammar", {}}, "text in UTF-8", "malformed bytes");
  ruleNamed("root");
  for (skip(true); at < text.size(); skip(true))
    STC_RETURN_IF_ERROR(parseRule());
  STC_RETURN_IF_ERROR(checkRules());
  return flatten();
}

absl::Status GrammarParser::parseRule() {
  absl::string_view given = name();
  if (given.empty())
    return error("the name of a rule");
  uint32_t index = ruleNamed(given);
  if (rules[index].line > 0)
    return error("a rule of its own", absl::StrCat("'", printable(given), "' again"));
  rules[index].line = line();
  skip(false);
  if (!absl::StartsWith(text.substr(at), "::="))
    return error("'::='");
  at += 3;
  skip(true);
  STC_ASSIGN_OR_RETURN(std::vector<Sequence> alternatives, parseAlternatives(false));
  rules[index].alternatives = std::move(alternatives);
  if (at < text.size() && text[at] != '\n' && text[at] != '\r')
    return error("the end of the rule");
  return absl::OkStatus();
}

absl::StatusOr<std::vector<GrammarParser::Sequence>>
GrammarParser::parseAlternatives(bool closing) {
  if (++depth > kDeepest)
    return error(absl::StrCat("at most ", kDeepest, " levels of nesting"), "more");
  std::vector<Sequence> alternatives;
  while (true) {
    STC_ASSIGN_OR_RETURN(Sequence sequence, parseSequence(closing));
    alternatives.push_back(std::move(sequence));
    STC_RETURN_IF_ERROR(charge(2));
    if (at >= text.size() || text[at] != '|')
      break;
    ++at;
    skip(true);
  }
  --depth;
  return alternatives;
}

absl::StatusOr<GrammarParser::Sequence> GrammarParser::parseSequence(bool closing) {
  Sequence sequence;
  while (true) {
    skip(closing);
    STC_ASSIGN_OR_RETURN(std::optional<Sequence> element, parseElement(closing));
    if (!element)
      return sequence;
    STC_ASSIGN_OR_RETURN(Sequence repeatedElement, parseRepetition(*std::move(element)));
    STC_RETURN_IF_ERROR(charge(repeatedElement.size()));
    sequence.insert(sequence.end(), repeatedElement.begin(), repeatedElement.end());
  }
}

absl::StatusOr<std::optional<GrammarParser::Sequence>> GrammarParser::parseElement(bool closing) {
  if (at >= text.size() || text[at] == '|' || (closing && text[at] == ')') ||
      (!closing && (text[at] == '\n' || text[at] == '\r')))
    return std::optional<Sequence>();
  if (text[at] == '"') {
    STC_ASSIGN_OR_RETURN(Sequence sequence, parseString());
    // A repetition after a string repeats all of it.
    if (sequence.size() <= 1)
      return std::optional<Sequence>(std::move(sequence));
    STC_ASSIGN_OR_RETURN(uint32_t rule, addRule({std::move(sequence)}));
    return std::optional<Sequence>(Sequence{{true, rule}});
  }
  if (text[at] == '[') {
    STC_ASSIGN_OR_RETURN(Sequence sequence, parseClass());
    return std::optional<Sequence>(std::move(sequence));
  }
  if (text[at] == '.') {
    ++at;
    STC_ASSIGN_OR_RETURN(Sequence sequence, characters({{0, 0xD7FF}, {0xE000, kLastCharacter}}));
    return std::optional<Sequence>(std::move(sequence));
  }
  if (text[at] == '(') {
    ++at;
    STC_ASSIGN_OR_RETURN(std::vector<Sequence> alternatives, parseAlternatives(true));
    if (at >= text.size())
      return error("')'");
    ++at;
    STC_ASSIGN_OR_RETURN(uint32_t rule, addRule(std::move(alternatives)));
    return std::optional<Sequence>(Sequence{{true, rule}});
  }
  absl::string_view reference = name();
  if (reference.empty())
    return error("a string, a class, a group or the name of a rule");
  return std::optional<Sequence>(Sequence{{true, ruleNamed(reference)}});
}

absl::StatusOr<GrammarParser::Sequence> GrammarParser::parseRepetition(Sequence element) {
  if (at >= text.size())
    return element;
  uint64_t least = 0;
  std::optional<uint64_t> most;
  if (text[at] == '?') {
    most = 1;
  } else if (text[at] == '+') {
    least = 1;
  } else if (text[at] == '{') {
    size_t end = text.find('}', at);
    if (end == text.npos)
      return error("'}' after the '{'", "none");
    absl::string_view inside = text.substr(at + 1, end - at - 1);
    size_t comma = inside.find(',');
    absl::string_view low = inside.substr(0, comma);
    absl::string_view high = comma == inside.npos ? low : inside.substr(comma + 1);
    uint64_t number = 0;
    bool open = comma != inside.npos && high.empty();
    if (!absl::SimpleAtoi(low, &least) || (!open && !absl::SimpleAtoi(high, &number)) ||
        (!open && number < least))
      return error("{count}, {least,} or {least,most}",
                   absl::StrCat("'{", printable(inside, 40), "}'"));
    if (!open)
      most = number;
    at = end;
  } else if (text[at] != '*') {
    return element;
  }
  ++at;
  return repeat(element, least, most);
}

absl::StatusOr<GrammarParser::Sequence>
GrammarParser::repeat(const Sequence &element, uint64_t least, std::optional<uint64_t> most) {
  STC_RETURN_IF_ERROR(charge(0));
  if (element.empty())
    return Sequence{};
  uint64_t copies = most ? *most : least;
  if (copies > kMostElements)
    return charge(kMostElements);
  STC_RETURN_IF_ERROR(charge(size_t(copies) * element.size()));
  Sequence sequence;
  for (uint64_t i = 0; i < least; ++i)
    sequence.insert(sequence.end(), element.begin(), element.end());
  if (!most) { // R ::= element R | nothing
    STC_ASSIGN_OR_RETURN(uint32_t rule, addRule({}));
    Sequence again = element;
    again.push_back({true, rule});
    rules[rule].alternatives = {std::move(again), {}};
    STC_ASSIGN_OR_RETURN(uint32_t once, addRule({element}));
    repeated.push_back(once);
    repeatedLines.push_back(line());
    sequence.push_back({true, rule});
    return sequence;
  }
  // (element (element ...)?)?, from the inside out
  Sequence tail;
  for (uint64_t i = least; i < *most; ++i) {
    Sequence inner = element;
    inner.insert(inner.end(), tail.begin(), tail.end());
    STC_ASSIGN_OR_RETURN(uint32_t rule, addRule({std::move(inner), {}}));
    tail = {{true, rule}};
  }
  sequence.insert(sequence.end(), tail.begin(), tail.end());
  return sequence;
}

/// The character at `at`, or what an escape there stands for.
absl::StatusOr<uint32_t> GrammarParser::parseCharacter() {
  if (text[at] != '\\') {
    Utf8Char next = decodeUtf8(text, at);
    at += next.length;
    return next.codePoint;
  }
  char c = at + 1 < text.size() ? text[at + 1] : '\0';
  static constexpr absl::string_view letters = "nrt\\\"[]-^", values = "\n\r\t\\\"[]-^";
  if (size_t known = letters.find(c); known != letters.npos) {
    at += 2;
    return uint32_t(uint8_t(values[known]));
  }
  size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
  absl::string_view hex = text.substr(std::min(at + 2, text.size()), digits);
  uint32_t code = 0;
  bool good = digits > 0 && hex.size() == digits &&
              std::all_of(hex.begin(), hex.end(), absl::ascii_isxdigit) &&
              absl::SimpleHexAtoi(hex, &code) && code <= kLastCharacter &&
              (code < 0xD800 || code > 0xDFFF);
  if (!good)
    return error("an escape \\n, \\r, \\t, \\\\, \\\", \\[, \\], \\-, \\^, \\xNN, \\uNNNN or "
                 "\\UNNNNNNNN",
                 absl::StrCat("'", printable(text.substr(at, 2 + digits)), "'"));
  at += 2 + digits;
  return code;
}

absl::StatusOr<GrammarParser::Sequence> GrammarParser::parseString() {
  Sequence sequence;
  ++at;
  while (true) {
    if (at >= text.size() || text[at] == '\n')
      return error("a quote to end the string");
    if (text[at] == '"')
      break;
    STC_ASSIGN_OR_RETURN(uint32_t code, parseCharacter());
    std::string bytes;
    appendUtf8(bytes, code);
    for (char byte : bytes)
      sequence.push_back({false, addSet(std::bitset<256>().set(uint8_t(byte)))});
  }
  ++at;
  STC_RETURN_IF_ERROR(charge(sequence.size()));
  return sequence;
}

absl::StatusOr<GrammarParser::Sequence> GrammarParser::parseClass() {
  ++at;
  bool negated = at < text.size() && text[at] == '^';
  at += negated;
  std::vector<std::pair<uint32_t, uint32_t>> ranges;
  while (true) {
    if (at >= text.size() || text[at] == '\n')
      return error("']' to end the class");
    if (text[at] == ']')
      break;
    STC_ASSIGN_OR_RETURN(uint32_t first, parseCharacter());
    uint32_t last = first;
    if (at + 1 < text.size() && text[at] == '-' && text[at + 1] != ']') {
      ++at;
      STC_ASSIGN_OR_RETURN(last, parseCharacter());
    }
    if (last < first)
      return error("a range from a lower to a higher character", "the other way round");
    ranges.emplace_back(first, last);
  }
  ++at;
  if (negated)
    ranges.emplace_back(0xD800, 0xDFFF); // no characters
  std::sort(ranges.begin(), ranges.end());
  std::vector<std::pair<uint32_t, uint32_t>> merged;
  uint32_t next = 0; // the first character after those so far
  for (const auto &[first, last] : ranges) {
    if (negated && first > next)
      merged.emplace_back(next, first - 1);
    if (!negated && last >= next)
      merged.emplace_back(std::max(first, next), last);
    next = std::max(next, last + 1);
  }
  if (negated && next <= kLastCharacter)
    merged.emplace_back(next, kLastCharacter);
  if (merged.empty())
    return error("a class of at least one character", "an empty one");
  return characters(merged);
}

/// The UTF-8 bytes of the characters from `first` to `last`, which are of one length, as sequences
/// of byte ranges: where the first bytes differ, the rest is cut into what begins, fills and ends.
void GrammarParser::appendByteRanges(uint32_t first, uint32_t last,
                                     std::vector<Sequence> &alternatives) {
  std::string low, high;
  appendUtf8(low, first);
  appendUtf8(high, last);
  for (size_t i = 1; i < low.size(); ++i) {
    uint32_t mask = (uint32_t(1) << (6 * i)) - 1;
    if ((first & ~mask) == (last & ~mask))
      continue;
    if ((first & mask) != 0) {
      appendByteRanges(first, first | mask, alternatives);
      return appendByteRanges((first | mask) + 1, last, alternatives);
    }
    if ((last & mask) != mask) {
      appendByteRanges(first, (last & ~mask) - 1, alternatives);
      return appendByteRanges(last & ~mask, last, alternatives);
    }
  }
  Sequence sequence;
  for (size_t i = 0; i < low.size(); ++i) {
    std::bitset<256> set;
    for (unsigned byte = uint8_t(low[i]); byte <= uint8_t(high[i]); ++byte)
      set.set(byte);
    sequence.push_back({false, addSet(set)});
  }
  alternatives.push_back(std::move(sequence));
}

absl::StatusOr<GrammarParser::Sequence>
GrammarParser::characters(const std::vector<std::pair<uint32_t, uint32_t>> &ranges) {
  std::vector<Sequence> alternatives;
  std::bitset<256> ascii;
  static constexpr uint32_t ends[] = {0x7F, 0x7FF, 0xFFFF, kLastCharacter}; // of each length
  for (const auto &[first, last] : ranges)
    for (uint32_t begin = first; begin <= last;) {
      uint32_t end = std::min(last, *std::lower_bound(std::begin(ends), std::end(ends), begin));
      // Surrogates are no characters; ranges that a user writes across them go around.
      if (begin <= 0xDFFF && end >= 0xD800) {
        if (begin < 0xD800)
          appendByteRanges(begin, 0xD7FF, alternatives);
        if (end > 0xDFFF)
          appendByteRanges(0xE000, end, alternatives);
      } else if (end <= 0x7F) {
        for (uint32_t byte = begin; byte <= end; ++byte)
          ascii.set(byte);
      } else {
        appendByteRanges(begin, end, alternatives);
      }
      begin = end + 1;
    }
  if (ascii.any())
    alternatives.push_back({{false, addSet(ascii)}});
  if (alternatives.size() == 1 && alternatives[0].size() == 1)
    return alternatives[0];
  STC_ASSIGN_OR_RETURN(uint32_t rule, addRule(std::move(alternatives)));
  return Sequence{{true, rule}};
}

absl::Status GrammarParser::checkRules() {
  for (const Rule &rule : rules)
    if (rule.line == 0)
      return formatError({file, "grammar", {}}, absl::StrCat("a rule '", printable(rule.name), "'"),
                         "none");
  // Which rules may be empty.
  std::vector<bool> empty(rules.size());
  auto isEmpty = [&](const Element &element) { return element.isRule && empty[element.index]; };
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t i = 0; i < rules.size(); ++i)
      for (const Sequence &sequence : rules[i].alternatives)
        if (!empty[i] && std::all_of(sequence.begin(), sequence.end(), isEmpty))
          changed = empty[i] = true;
  }
  for (size_t i = 0; i < repeated.size(); ++i)
    if (empty[repeated[i]])
      return formatError({file, absl::StrCat("grammar line ", repeatedLines[i]), {}},
                         "a repetition of what is not empty", "one of what may be");
  // Which rules may begin with themselves: a cycle among first elements. 1: on the path, 2: done.
  std::vector<uint8_t> marks(rules.size());
  std::vector<std::pair<uint32_t, bool>> path;
  for (uint32_t start = 0; start < rules.size(); ++start) {
    path.assign(1, {start, false});
    while (!path.empty()) {
      auto [index, leaving] = path.back();
      path.pop_back();
      if (leaving) {
        marks[index] = 2;
        continue;
      }
      if (marks[index] == 2)
        continue;
      if (marks[index] == 1)
        continue;
      marks[index] = 1;
      path.emplace_back(index, true);
      for (const Sequence &sequence : rules[index].alternatives)
        for (const Element &element : sequence) {
          if (element.isRule && marks[element.index] == 1)
            return formatError(
                {file, absl::StrCat("grammar line ", std::max(1, rules[index].line)), {}},
                "rules that do not begin with themselves",
                absl::StrCat("'", printable(rules[element.index].name), "', which does"));
          if (element.isRule && marks[element.index] == 0)
            path.emplace_back(element.index, false);
          if (!isEmpty(element))
            break;
        }
    }
  }
  return absl::OkStatus();
}

std::shared_ptr<const Grammar> GrammarParser::flatten() const {
  auto grammar = std::make_shared<Grammar>();
  grammar->sets = sets;
  for (const Rule &rule : rules) {
    std::vector<uint32_t> starts;
    for (const Sequence &sequence : rule.alternatives) {
      starts.push_back(uint32_t(grammar->items.size()));
      for (const Element &element : sequence)
        grammar->items.push_back(
            {element.isRule ? Grammar::Item::Kind::Rule : Grammar::Item::Kind::Bytes,
             element.index});
      grammar->items.push_back({Grammar::Item::Kind::End, 0});
    }
    grammar->rules.push_back(std::move(starts));
  }
  grammar->root = 0;
  return grammar;
}

absl::StatusOr<std::shared_ptr<const Grammar>> Grammar::parse(absl::string_view text,
                                                              const std::string &file) {
  return GrammarParser(text, file).parse();
}

} // namespace stc
