// Small tokenizers made on the spot, and slow reference versions of the merging algorithms.
#ifndef STC_UNITTESTS_TOKENIZER_TESTSPECS_H
#define STC_UNITTESTS_TOKENIZER_TESTSPECS_H

#include "stc/Support/Random.h"
#include "stc/Support/Utf8.h"
#include "stc/Tokenizer/Tokenizer.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <map>
#include <set>

namespace stc {

using TokenType = TokenizerSpec::TokenType;
using PreStep = TokenizerSpec::PreTokenizer;
using NormStep = TokenizerSpec::Normalizer;
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

/// A WordPiece vocabulary: [UNK] [CLS] [SEP], then `pieces`, with BERT's uncased normalization and
/// pre-tokenization.
inline TokenizerSpec wordPieceSpec(const std::vector<std::string> &pieces) {
  TokenizerSpec spec;
  spec.kind = TokenizerSpec::Kind::WordPiece;
  spec.tokens = {makeToken("[UNK]", TokenType::Unknown), makeToken("[CLS]", TokenType::Control),
                 makeToken("[SEP]", TokenType::Control)};
  for (const std::string &piece : pieces)
    spec.tokens.push_back(makeToken(piece));
  spec.unknown = 0;
  spec.bos = 1;
  spec.eos = 2;
  spec.addBos = spec.addEos = spec.stripPrefixSpaceOnDecode = spec.cleanUpOnDecode = true;
  for (NormStep::Kind kind :
       {NormStep::Kind::CleanText, NormStep::Kind::IsolateIdeographs, NormStep::Kind::Nfd,
        NormStep::Kind::DropNonspacingMarks, NormStep::Kind::Lowercase})
    spec.normalizers.push_back({kind, "", ""});
  PreStep space, punctuation;
  space.pattern = "\\s+";
  space.behavior = PreStep::Behavior::Removed;
  punctuation.pattern = "[\\p{P}!-/:-@\\[-`{-~]";
  spec.preTokenizers = {space, punctuation};
  return spec;
}

/// A Unigram vocabulary: <unk> </s>, then `pieces` with their scores.
inline TokenizerSpec unigramSpec(const std::vector<std::pair<std::string, float>> &pieces) {
  TokenizerSpec spec;
  spec.kind = TokenizerSpec::Kind::Unigram;
  spec.tokens = {makeToken("<unk>", TokenType::Unknown), makeToken("</s>", TokenType::Control)};
  for (const auto &[piece, score] : pieces)
    spec.tokens.push_back(makeToken(piece, TokenType::Normal, score));
  spec.unknown = 0;
  spec.eos = 1;
  spec.addEos = spec.addPrefixSpace = spec.escapeSpaces = spec.fuseUnknown = true;
  spec.stripPrefixSpaceOnDecode = true;
  return spec;
}

/// The bytes of a precompiled_charsmap with the given rules (texts and what they become), laid out
/// as lib/Tokenizer/Charsmap.h describes it: a trie whose nodes find places for their children one
/// after another.
inline std::string charsmapBytes(const std::map<std::string, std::string> &rules) {
  struct Node {
    std::map<uint8_t, Node> children;
    int64_t leaf = -1;
  };
  Node root;
  std::string replacements;
  for (const auto &[from, to] : rules) {
    Node *node = &root;
    for (char c : from)
      node = &node->children[uint8_t(c)];
    node->leaf = int64_t(replacements.size());
    replacements += to + '\0';
  }
  std::vector<uint32_t> units(1);
  std::vector<bool> taken(1, true);
  std::set<size_t> bases; // two nodes with one base would see each other's children
  auto place = [&](auto &self, const Node &node, size_t position) -> void {
    size_t base = 0;
    auto isFree = [&](size_t at) { return at >= taken.size() || !taken[at]; };
    auto fits = [&] {
      bool good = bases.count(base) == 0 && (node.leaf < 0 || isFree(base));
      for (const auto &child : node.children)
        good = good && isFree(base ^ child.first);
      return good;
    };
    while (!fits())
      ++base;
    bases.insert(base);
    auto take = [&](size_t at) {
      if (at >= units.size()) {
        units.resize(at + 1);
        taken.resize(at + 1);
      }
      taken[at] = true;
    };
    if (node.leaf >= 0) {
      take(base);
      units[base] = uint32_t(node.leaf) | 1u << 31;
    }
    for (const auto &child : node.children) {
      take(base ^ child.first);
      units[base ^ child.first] = child.first;
    }
    units[position] |= uint32_t(base ^ position) << 10 | uint32_t(node.leaf >= 0) << 8;
    for (const auto &child : node.children)
      self(self, child.second, base ^ child.first);
  };
  place(place, root, 0);
  std::string bytes;
  auto append = [&](uint32_t value) {
    for (int shift = 0; shift < 32; shift += 8)
      bytes += char(value >> shift);
  };
  append(uint32_t(units.size() * 4));
  for (uint32_t unit : units)
    append(unit);
  return bytes + replacements;
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
