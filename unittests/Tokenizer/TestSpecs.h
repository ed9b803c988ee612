// Small tokenizers made on the spot, and slow reference versions of the merging algorithms.
#ifndef STC_UNITTESTS_TOKENIZER_TESTSPECS_H
#define STC_UNITTESTS_TOKENIZER_TESTSPECS_H

#include "stc/Support/Random.h"
#include "stc/Support/Utf8.h"
#include "stc/Tokenizer/Tokenizer.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <map>

namespace stc {

using TokenType = TokenizerSpec::TokenType;
using PreStep = TokenizerSpec::PreTokenizer;
using Ids = std::vector<int32_t>;
inline const std::string kMarker = "\xE2\x96\x81";

inline TokenizerSpec::Token makeToken(const std::string &text, TokenType type = TokenType::Normal,
                                      float score = 0) {
  TokenizerSpec::Token token;
  token.text = text;
  token.type = type;
  token.score = score;
  return token;
}

/// The stand-in of a byte in GPT-2's alphabet, by its definition: printable bytes first.
inline std::string standIn(unsigned byte) {
  auto printable = [](unsigned b) {
    return (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || (b >= 0xAE && b <= 0xFF);
  };
  uint32_t codePoint = byte;
  if (!printable(byte)) {
    codePoint = 256;
    for (unsigned b = 0; b < byte; ++b)
      codePoint += !printable(b);
  }
  std::string text;
  appendUtf8(text, codePoint);
  return text;
}

inline std::string standIns(const std::string &bytes) {
  std::string text;
  for (char c : bytes)
    text += standIn(uint8_t(c));
  return text;
}

/// A byte-level vocabulary: ids 0 to 255 are the bytes, then one token for each merge (given in
/// plain bytes), GPT-2's pattern before it.
inline TokenizerSpec
byteLevelSpec(const std::vector<std::pair<std::string, std::string>> &merges = {}) {
  TokenizerSpec spec;
  spec.kind = TokenizerSpec::Kind::ByteLevelBpe;
  for (unsigned byte = 0; byte < 256; ++byte)
    spec.tokens.push_back(makeToken(standIn(byte)));
  for (const auto &[left, right] : merges) {
    spec.tokens.push_back(makeToken(standIns(left + right)));
    spec.merges.emplace_back(standIns(left), standIns(right));
  }
  PreStep step;
  step.kind = PreStep::Kind::ByteLevelGpt2;
  spec.preTokenizers.push_back(step);
  return spec;
}

/// A SentencePiece vocabulary with scores: <unk> <s> </s>, the bytes, then `pieces`, each scored
/// lower than the one before.
inline TokenizerSpec sentencePieceSpec(const std::vector<std::string> &pieces, bool bytes = true) {
  TokenizerSpec spec;
  spec.kind = TokenizerSpec::Kind::SentencePiece;
  spec.tokens = {makeToken("<unk>", TokenType::Unknown), makeToken("<s>", TokenType::Control),
                 makeToken("</s>", TokenType::Control)};
  for (unsigned byte = 0; bytes && byte < 256; ++byte) {
    char text[8];
    std::snprintf(text, sizeof(text), "<0x%02X>", byte);
    spec.tokens.push_back(makeToken(text, TokenType::Byte));
  }
  float score = 0;
  for (const std::string &piece : pieces)
    spec.tokens.push_back(makeToken(piece, TokenType::Normal, score -= 1));
  spec.unknown = 0;
  spec.bos = 1;
  spec.eos = 2;
  spec.addBos = spec.addPrefixSpace = spec.escapeSpaces = spec.byteFallback = true;
  spec.stripPrefixSpaceOnDecode = spec.fuseUnknown = true;
  return spec;
}

inline std::unique_ptr<Tokenizer> createOrDie(TokenizerSpec spec) {
  auto tokenizer = Tokenizer::create(std::move(spec), "test.json");
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return tokenizer.ok() ? std::move(*tokenizer) : nullptr;
}

inline std::string errorOf(TokenizerSpec spec) {
  auto tokenizer = Tokenizer::create(std::move(spec), "test.json");
  EXPECT_FALSE(tokenizer.ok());
  return std::string(tokenizer.status().message());
}

/// The id of a token by its text.
inline int32_t idOf(const Tokenizer &tokenizer, const std::string &text) {
  const auto &tokens = tokenizer.spec().tokens;
  for (size_t id = 0; id < tokens.size(); ++id)
    if (tokens[id].text == text)
      return int32_t(id);
  ADD_FAILURE() << "no token '" << text << "'";
  return -1;
}

/// Encodes without BOS and EOS.
inline Ids encodePlain(const Tokenizer &tokenizer, absl::string_view text,
                       bool parseSpecial = false) {
  auto ids = tokenizer.encode(text, {false, parseSpecial});
  EXPECT_TRUE(ids.ok()) << ids.status();
  return ids.ok() ? *ids : Ids();
}

/// The texts of the tokens, as stored in the vocabulary.
inline std::vector<std::string> textsOf(const Tokenizer &tokenizer, const Ids &ids) {
  std::vector<std::string> texts;
  for (int32_t id : ids)
    texts.push_back(tokenizer.spec().tokens[size_t(id)].text);
  return texts;
}

inline std::vector<std::string> encodeTexts(const Tokenizer &tokenizer, absl::string_view text,
                                            bool parseSpecial = false) {
  return textsOf(tokenizer, encodePlain(tokenizer, text, parseSpecial));
}

inline std::string decodeOrDie(const Tokenizer &tokenizer, const Ids &ids,
                               bool keepSpecial = false) {
  auto text = tokenizer.decode(ids, keepSpecial);
  EXPECT_TRUE(text.ok()) << text.status();
  return text.ok() ? *text : "";
}

/// Random text of characters of all lengths, most of them from a small alphabet so that merges
/// happen, with malformed bytes mixed in if wanted.
inline std::string randomText(Random &random, size_t length, bool malformed = false) {
  static const char *const pieces[] = {"a",
                                       "b",
                                       "c",
                                       "d",
                                       "a",
                                       "b",
                                       "c",
                                       " ",
                                       " ",
                                       "  ",
                                       "\n",
                                       "1",
                                       "2",
                                       ".",
                                       "\xC3\xA9",
                                       "\xE2\x82\xAC",
                                       "\xF0\x9F\x98\x80",
                                       "'s",
                                       "\t",
                                       "\xE2\x96\x81"};
  std::string text;
  while (text.size() < length)
    if (malformed && random.next() % 8 == 0)
      text += char(0x80 + random.next() % 0x80);
    else
      text += pieces[random.next() % std::size(pieces)];
  return text;
}

/// Merging by definition: over and over the best pair, the leftmost of equals. `priority` gives
/// smaller numbers for better pairs and -1 for pairs that do not merge.
template <typename Priority>
std::vector<std::string> mergeSlowly(std::vector<std::string> symbols, Priority priority) {
  while (true) {
    int64_t best = -1;
    size_t where = 0;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      int64_t rank = priority(symbols[i], symbols[i + 1]);
      if (rank >= 0 && (best < 0 || rank < best)) {
        best = rank;
        where = i;
      }
    }
    if (best < 0)
      return symbols;
    symbols[where] += symbols[where + 1];
    symbols.erase(symbols.begin() + long(where) + 1);
  }
}

} // namespace stc

#endif // STC_UNITTESTS_TOKENIZER_TESTSPECS_H
