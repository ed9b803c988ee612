// Builds the lookup tables of a vocabulary and checks every token of it.
#include "Vocabulary.h"

#include "Unicode.h"

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"

#include <algorithm>
#include <cmath>

namespace stc {

namespace {

constexpr size_t kLongestToken = 1 << 20;

/// Bytes that stand for themselves in GPT-2's alphabet.
bool isPrintableByte(unsigned byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

struct ByteAlphabet {
  std::array<uint32_t, 256> characters;
  std::array<int16_t, 0x144> bytes; // U+0143 is the last stand-in
  ByteAlphabet() {
    bytes.fill(-1);
    uint32_t next = 0x100;
    for (unsigned byte = 0; byte < 256; ++byte) {
      characters[byte] = isPrintableByte(byte) ? byte : next++;
      bytes[characters[byte]] = int16_t(byte);
    }
  }
};

const ByteAlphabet &byteAlphabet() {
  static const ByteAlphabet alphabet;
  return alphabet;
}

/// The bytes a token of a byte-level vocabulary stands for. Text outside the alphabet cannot come
/// from merging bytes; such a token means its own text.
std::string byteLevelBytes(absl::string_view text) {
  std::string bytes;
  for (size_t at = 0; at < text.size();) {
    Utf8Char next = decodeUtf8(text, at);
    int byte = characterToByte(next.codePoint);
    if (byte < 0)
      return std::string(text);
    bytes += char(byte);
    at += next.length;
  }
  return bytes;
}

/// The text a WordPiece token adds after others: a space and itself, or what follows the mark of
/// tokens inside words. With `cleanUp`, punctuation and English contractions join the word before.
std::string wordPieceBytes(absl::string_view text, const TokenizerSpec &spec) {
  if (!spec.continuationPrefix.empty() && absl::ConsumePrefix(&text, spec.continuationPrefix))
    return std::string(text);
  std::string spaced = absl::StrCat(" ", text);
  if (!spec.cleanUpOnDecode)
    return spaced;
  return absl::StrReplaceAll(spaced, {{" .", "."},
                                      {" ?", "?"},
                                      {" !", "!"},
                                      {" ,", ","},
                                      {" n't", "n't"},
                                      {" 'm", "'m"},
                                      {" 's", "'s"},
                                      {" 've", "'ve"},
                                      {" 're", "'re"}});
}

bool isMergeable(TokenizerSpec::TokenType type) {
  using Type = TokenizerSpec::TokenType;
  return type == Type::Normal || type == Type::UserDefined || type == Type::Unused;
}

} // namespace

uint32_t byteToCharacter(uint8_t byte) { return byteAlphabet().characters[byte]; }

int characterToByte(uint32_t codePoint) {
  const ByteAlphabet &alphabet = byteAlphabet();
  return codePoint < alphabet.bytes.size() ? alphabet.bytes[codePoint] : -1;
}

int parseByteToken(absl::string_view text) {
  if (text.size() != 6 || text.substr(0, 3) != "<0x" || text[5] != '>')
    return -1;
  if (!absl::ascii_isxdigit(text[3]) || !absl::ascii_isxdigit(text[4]))
    return -1;
  int value = 0;
  for (char digit : text.substr(3, 2))
    value = value * 16 +
            (absl::ascii_isdigit(digit) ? digit - '0' : absl::ascii_tolower(digit) - 'a' + 10);
  return value;
}

absl::Status Vocabulary::checkToken(const TokenizerSpec &spec, size_t id, const std::string &file) {
  const TokenizerSpec::Token &token = spec.tokens[id];
  ErrorSite site{file, absl::StrCat("tokens[", id, "]"), {}};
  if (token.text.size() > kLongestToken)
    return formatError(site, absl::StrCat("a token of at most ", kLongestToken, " bytes"),
                       absl::StrCat(token.text.size(), " bytes"));
  if (!isValidUtf8(token.text))
    return formatError(site, "a token in UTF-8", absl::StrCat("'", token.text, "'"));
  if (!std::isfinite(token.score))
    return formatError(site, "a finite score", absl::StrCat(token.score));
  if (token.type != TokenizerSpec::TokenType::Byte)
    return absl::OkStatus();
  int byte = parseByteToken(token.text);
  if (byte < 0)
    return formatError(site, "a byte token <0x00> to <0xFF>", absl::StrCat("'", token.text, "'"));
  if (byteTokens[byte] >= 0)
    return formatError(site, "one token for each byte",
                       absl::StrCat("a second '", token.text, "'"));
  byteTokens[byte] = int32_t(id);
  return absl::OkStatus();
}

absl::Status Vocabulary::build(const TokenizerSpec &spec, const std::string &file) {
  using Type = TokenizerSpec::TokenType;
  bool byteLevel = spec.kind == TokenizerSpec::Kind::ByteLevelBpe;
  bool wordPiece = spec.kind == TokenizerSpec::Kind::WordPiece;
  byteTokens.fill(-1);
  texts.reserve(spec.tokens.size());
  pieceEnds.reserve(spec.tokens.size());
  for (size_t id = 0; id < spec.tokens.size(); ++id) {
    STC_RETURN_IF_ERROR(checkToken(spec, id, file));
    const TokenizerSpec::Token &token = spec.tokens[id];
    // Of equal texts the later one is found, as in the peers.
    Ids &ids = texts[token.text];
    if (isMergeable(token.type) && !token.text.empty()) {
      ids.mergeable = int32_t(id);
      longest = std::max(longest, token.text.size());
    } else {
      ids.other = int32_t(id);
    }
    if (token.type == Type::Byte)
      pieces += char(parseByteToken(token.text));
    else if (token.type == Type::UserDefined && byteLevel)
      pieces += token.text; // matched in the text as it is, never made of stand-ins
    else if (token.type != Type::Control && token.type != Type::Unknown)
      pieces += byteLevel           ? byteLevelBytes(token.text)
                : wordPiece         ? wordPieceBytes(token.text, spec)
                : spec.escapeSpaces ? unescapeSpaces(token.text)
                                    : token.text;
    pieceEnds.push_back(pieces.size());
  }
  if (!byteLevel)
    return absl::OkStatus();
  for (unsigned byte = 0; byte < 256; ++byte) {
    std::string text;
    appendUtf8(text, byteToCharacter(uint8_t(byte)));
    // A control token may double as a letter of the alphabet (a padding token "!", say).
    byteTokens[byte] = findAny(text);
  }
  return absl::OkStatus();
}

absl::string_view Vocabulary::piece(int32_t id) const {
  size_t begin = id == 0 ? 0 : pieceEnds[size_t(id) - 1];
  return absl::string_view(pieces).substr(begin, pieceEnds[size_t(id)] - begin);
}

} // namespace stc
