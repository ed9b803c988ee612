// The compact binary form of a tokenizer that a model binary carries.
//
// Integers are little-endian base-128 varints. Merges are stored as ids: their texts are texts of
// tokens, and ids keep the form small.
#include "stc/Tokenizer/Tokenizer.h"

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"

#include <cstring>

namespace stc {

namespace {

constexpr absl::string_view kMagic = "STOK\x02"; // the last byte is the version
constexpr uint64_t kMergeExpansion = 64;
constexpr uint64_t kTokenTypes = 6, kPreTokenizerKinds = 4, kBehaviors = 5, kPrefixRules = 4,
                   kKinds = 4, kNormalizerKinds = 14;

/// The switches of a specification in the order of their bits.
constexpr bool TokenizerSpec::*kSwitches[] = {
    &TokenizerSpec::addPrefixSpace, &TokenizerSpec::escapeSpaces,
    &TokenizerSpec::byteFallback,   &TokenizerSpec::cleanUpOnDecode,
    &TokenizerSpec::ignoreMerges,   &TokenizerSpec::stripPrefixSpaceOnDecode,
    &TokenizerSpec::fuseUnknown,    &TokenizerSpec::addBos,
    &TokenizerSpec::addEos};
/// Bits 3 to 6 of a token's byte; bits 0 to 2 are its type, bit 7 says that a score follows.
constexpr bool TokenizerSpec::Token::*kTokenSwitches[] = {
    &TokenizerSpec::Token::leftStrip, &TokenizerSpec::Token::rightStrip,
    &TokenizerSpec::Token::normalized, &TokenizerSpec::Token::singleWord};

class Writer {
public:
  void number(uint64_t value) {
    for (; value >= 0x80; value >>= 7)
      bytes += char(value | 0x80);
    bytes += char(value);
  }
  void text(absl::string_view value) {
    number(value.size());
    absl::StrAppend(&bytes, value);
  }
  void score(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof(bits));
    for (int shift = 0; shift < 32; shift += 8)
      bytes += char(bits >> shift);
  }
  std::string bytes;
};

/// Reads what Writer wrote. After a failure everything reads as zero and `error` says why.
class Reader {
public:
  Reader(absl::string_view bytes, const std::string &file) : bytes(bytes), file(file) {}

  /// A number of at most `limit`.
  uint64_t number(const char *field, uint64_t limit) {
    uint64_t value = 0;
    size_t start = at;
    for (int shift = 0; shift < 35; shift += 7) {
      if (at == bytes.size()) {
        fail(field, at, "more bytes", "the end");
        return 0;
      }
      uint8_t byte = uint8_t(bytes[at++]);
      value |= uint64_t(byte & 0x7F) << shift;
      if (byte & 0x80)
        continue;
      if (value <= limit)
        return value;
      break;
    }
    fail(field, start, absl::StrCat("a number of at most ", limit), "a larger one");
    return 0;
  }
  absl::string_view text(const char *field) {
    uint64_t length = number(field, UINT32_MAX);
    if (length > bytes.size() - at) {
      fail(field, at, absl::StrCat(length, " bytes"), absl::StrCat(bytes.size() - at));
      return {};
    }
    at += length;
    return bytes.substr(at - length, length);
  }
  /// How many entries follow, each of at least `minimumBytes`: never more than the bytes hold.
  size_t count(const char *field, size_t minimumBytes) {
    return number(field, (bytes.size() - at) / minimumBytes);
  }
  float score(const char *field) {
    if (bytes.size() - at < 4) {
      fail(field, at, "4 bytes", absl::StrCat(bytes.size() - at));
      return 0;
    }
    uint32_t bits = 0;
    for (int i = 0; i < 4; ++i)
      bits |= uint32_t(uint8_t(bytes[at++])) << (8 * i);
    float value;
    std::memcpy(&value, &bits, sizeof(value));
    return value;
  }
  void fail(const char *field, size_t offset, absl::string_view expected, absl::string_view got) {
    if (error.ok())
      error = formatError({file, field, offset}, expected, got);
    at = bytes.size(); // so that every loop comes to its end
  }
  bool atEnd() const { return at == bytes.size(); }

  absl::Status error;
  absl::string_view bytes;
  std::string file;
  size_t at = 0;
};

void readTokens(Reader &reader, TokenizerSpec &spec) {
  size_t count = reader.count("tokens", 2);
  spec.tokens.reserve(count);
  for (size_t i = 0; i < count && reader.error.ok(); ++i) {
    TokenizerSpec::Token token;
    token.text = std::string(reader.text("tokens"));
    uint64_t packed = reader.number("tokens", 0xFF);
    if ((packed & 7) >= kTokenTypes)
      reader.fail("tokens", reader.at - 1, absl::StrCat("a token type below ", kTokenTypes),
                  absl::StrCat(packed & 7));
    token.type = TokenizerSpec::TokenType(packed & 7);
    for (size_t bit = 0; bit < 4; ++bit)
      token.*kTokenSwitches[bit] = packed >> (bit + 3) & 1;
    if (packed & 0x80)
      token.score = reader.score("tokens");
    spec.tokens.push_back(std::move(token));
  }
}

/// Merges name their parts by id, so that a few bytes can stand for many copies of long texts. What
/// they add up to is bounded by the bytes there are; real merges stay far below.
void readMerges(Reader &reader, TokenizerSpec &spec) {
  size_t count = reader.count("merges", 2);
  if (count > 0 && spec.tokens.empty())
    return reader.fail("merges", reader.at, "no merges without tokens", absl::StrCat(count));
  spec.merges.reserve(count);
  uint64_t allowed = kMergeExpansion * reader.bytes.size();
  for (size_t i = 0; i < count && reader.error.ok(); ++i) {
    size_t start = reader.at;
    uint64_t leftId = reader.number("merges", spec.tokens.size() - 1);
    uint64_t rightId = reader.number("merges", spec.tokens.size() - 1);
    if (!reader.error.ok())
      return;
    const std::string &left = spec.tokens[leftId].text, &right = spec.tokens[rightId].text;
    uint64_t size = left.size() + right.size();
    if (size > allowed)
      return reader.fail("merges", start, "merges of tokens that are mostly short", "longer ones");
    allowed -= size;
    spec.merges.emplace_back(left, right);
  }
}

void readNormalizers(Reader &reader, TokenizerSpec &spec) {
  using Config = TokenizerSpec::Normalizer;
  size_t count = reader.count("normalizers", 3);
  for (size_t i = 0; i < count && reader.error.ok(); ++i) {
    Config config;
    config.kind = Config::Kind(reader.number("normalizers", kNormalizerKinds - 1));
    config.pattern = std::string(reader.text("normalizers"));
    config.content = std::string(reader.text("normalizers"));
    spec.normalizers.push_back(std::move(config));
  }
}

void readPreTokenizers(Reader &reader, TokenizerSpec &spec) {
  using Config = TokenizerSpec::PreTokenizer;
  size_t count = reader.count("preTokenizers", 4);
  for (size_t i = 0; i < count && reader.error.ok(); ++i) {
    Config config;
    config.kind = Config::Kind(reader.number("preTokenizers", kPreTokenizerKinds - 1));
    config.behavior = Config::Behavior(reader.number("preTokenizers", kBehaviors - 1));
    uint64_t switches = reader.number("preTokenizers", 3);
    config.individualDigits = switches & 1;
    config.inverted = switches & 2;
    config.pattern = std::string(reader.text("preTokenizers"));
    spec.preTokenizers.push_back(std::move(config));
  }
}

} // namespace

std::string Tokenizer::serialize() const {
  const TokenizerSpec &from = spec();
  Writer writer;
  absl::StrAppend(&writer.bytes, kMagic);
  writer.number(uint64_t(from.kind));
  writer.number(uint64_t(from.prefixRule));
  uint64_t switches = 0;
  for (size_t bit = 0; bit < std::size(kSwitches); ++bit)
    switches |= uint64_t(from.*kSwitches[bit]) << bit;
  writer.number(switches);
  for (int64_t id : {from.bos, from.eos, from.unknown})
    writer.number(uint64_t(id + 1));
  writer.text(from.continuationPrefix);
  writer.number(uint64_t(from.longestWord));

  absl::flat_hash_map<absl::string_view, uint64_t> ids;
  writer.number(from.tokens.size());
  for (const TokenizerSpec::Token &token : from.tokens) {
    ids.try_emplace(token.text, &token - from.tokens.data());
    uint64_t packed = uint64_t(token.type) | (token.score != 0 ? 0x80 : 0);
    for (size_t bit = 0; bit < 4; ++bit)
      packed |= uint64_t(token.*kTokenSwitches[bit]) << (bit + 3);
    writer.text(token.text);
    writer.number(packed);
    if (token.score != 0)
      writer.score(token.score);
  }

  writer.number(from.merges.size());
  for (const auto &[left, right] : from.merges) {
    // Both are tokens, or `create` would have refused the specification.
    writer.number(ids.find(left)->second);
    writer.number(ids.find(right)->second);
  }

  writer.number(from.normalizers.size());
  for (const TokenizerSpec::Normalizer &config : from.normalizers) {
    writer.number(uint64_t(config.kind));
    writer.text(config.pattern);
    writer.text(config.content);
  }

  writer.number(from.preTokenizers.size());
  for (const TokenizerSpec::PreTokenizer &config : from.preTokenizers) {
    writer.number(uint64_t(config.kind));
    writer.number(uint64_t(config.behavior));
    writer.number(uint64_t(config.individualDigits) | uint64_t(config.inverted) << 1);
    writer.text(config.pattern);
  }
  return std::move(writer.bytes);
}

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::parse(absl::string_view bytes,
                                                            const std::string &file) {
  if (bytes.substr(0, kMagic.size()) != kMagic)
    return formatError({file, "tokenizer", 0}, "the mark of a serialized tokenizer, version 2",
                       "something else");
  Reader reader(bytes, file);
  reader.at = kMagic.size();
  TokenizerSpec spec;
  spec.kind = TokenizerSpec::Kind(reader.number("kind", kKinds - 1));
  spec.prefixRule = TokenizerSpec::PrefixRule(reader.number("prefixRule", kPrefixRules - 1));
  uint64_t switches = reader.number("switches", (1 << std::size(kSwitches)) - 1);
  for (size_t bit = 0; bit < std::size(kSwitches); ++bit)
    spec.*kSwitches[bit] = switches >> bit & 1;
  for (int64_t *id : {&spec.bos, &spec.eos, &spec.unknown})
    *id = int64_t(reader.number("special ids", uint64_t(INT32_MAX) + 1)) - 1;
  spec.continuationPrefix = std::string(reader.text("continuationPrefix"));
  spec.longestWord = int64_t(reader.number("longestWord", INT32_MAX));
  readTokens(reader, spec);
  readMerges(reader, spec);
  readNormalizers(reader, spec);
  readPreTokenizers(reader, spec);
  if (reader.error.ok() && !reader.atEnd())
    reader.fail("tokenizer", reader.at, "the end",
                absl::StrCat(bytes.size() - reader.at, " more bytes"));
  STC_RETURN_IF_ERROR(reader.error);
  return create(std::move(spec), file);
}

} // namespace stc
