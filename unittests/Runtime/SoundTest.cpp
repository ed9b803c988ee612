// What reads sound: WAV files, mel filters, and rows of a convolution.
#include "stc/Runtime/LogMel.h"
#include "stc/Runtime/Unfold.h"
#include "stc/Runtime/Wav.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <algorithm>
#include <cmath>

namespace stc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string little(uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i)
    text += char(value >> (8 * i));
  return text;
}

std::string chunk(const std::string &name, const std::string &content) {
  return name + little(content.size(), 4) + content + std::string(content.size() % 2, '\0');
}

std::string format(int tag, int channels, int rate, int bits) {
  int frame = channels * bits / 8;
  return chunk("fmt ", little(uint64_t(tag), 2) + little(uint64_t(channels), 2) +
                           little(uint64_t(rate), 4) + little(uint64_t(rate * frame), 4) +
                           little(uint64_t(frame), 2) + little(uint64_t(bits), 2));
}

absl::StatusOr<std::vector<float>> read(const std::string &chunks) {
  std::string bytes = "RIFF" + little(chunks.size() + 4, 4) + "WAVE" + chunks;
  return parseWav({reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()}, 16000, "a.wav");
}

std::string errorOf(const std::string &chunks) {
  auto samples = read(chunks);
  return samples.ok() ? "OK" : std::string(samples.status().message());
}

TEST(Wav, readsEveryWidth) {
  EXPECT_THAT(*read(format(1, 1, 16000, 16) +
                    chunk("data", little(16384, 2) + little(0xC000, 2) + little(0x8000, 2))),
              ElementsAre(0.5f, -0.5f, -1.0f));
  EXPECT_THAT(*read(format(1, 1, 16000, 8) + chunk("data", std::string("\xC0\x80\x00", 3))),
              ElementsAre(0.5f, 0.0f, -1.0f));
  EXPECT_THAT(*read(format(1, 1, 16000, 24) + chunk("data", little(0xC00000, 3))),
              ElementsAre(-0.5f));
  EXPECT_THAT(*read(format(1, 1, 16000, 32) + chunk("data", little(0x40000000, 4))),
              ElementsAre(0.5f));
  EXPECT_THAT(*read(format(3, 1, 16000, 32) + chunk("data", little(0x3E800000, 4))),
              ElementsAre(0.25f));
  // Two channels, and an odd chunk of something else before them.
  EXPECT_THAT(*read(chunk("LIST", "abc") + format(1, 2, 16000, 16) +
                    chunk("data", little(16384, 2) + little(0, 2))),
              ElementsAre(0.25f));
}

TEST(Wav, saysWhatIsWrong) {
  std::string good = format(1, 1, 16000, 16);
  EXPECT_THAT(errorOf(format(1, 1, 44100, 16)), HasSubstr("16000 samples per second, got 44100"));
  EXPECT_THAT(errorOf(format(2, 1, 16000, 4)), HasSubstr("got format 2 of 4 bits"));
  EXPECT_THAT(errorOf(format(1, 0, 16000, 16)), HasSubstr("one channel or more, got 0"));
  EXPECT_THAT(errorOf(chunk("data", "ab")), HasSubstr("a format before the samples, got none"));
  EXPECT_THAT(errorOf(good + chunk("data", "")), HasSubstr("expected samples, got none"));
  EXPECT_THAT(errorOf(good), HasSubstr("a chunk of samples, got none"));
  EXPECT_THAT(errorOf(good + "data" + little(9, 4) + "ab"), HasSubstr("at most 2 bytes, got 9"));
  EXPECT_THAT(errorOf("fmt " + little(4, 4) + "abcd"), HasSubstr("16 bytes or more, got 4"));
  std::string text = "RIFX";
  auto other = parseWav({reinterpret_cast<const uint8_t *>(text.data()), text.size()}, 16000, "b");
  EXPECT_THAT(std::string(other.status().message()), HasSubstr("b: expected a WAV file"));
}

TEST(LogMel, filtersAreTrianglesOfEqualArea) {
  std::vector<double> filters = melFilters(8);
  ASSERT_EQ(filters.size(), 8u * 201);
  for (size_t bin = 0; bin < 8; ++bin) {
    double area = 0;
    for (size_t k = 0; k < 201; ++k) {
      EXPECT_GE(filters[bin * 201 + k], 0);
      area += 40 * filters[bin * 201 + k];
    }
    EXPECT_NEAR(area, 1, 0.05) << bin;
  }
}

TEST(LogMel, silenceIsTheLowestAndAToneIsInItsBin) {
  for (float value : logMelSpectrogram({}, 4, 8))
    EXPECT_FLOAT_EQ(value, (-10.0f + 4) / 4);
  std::vector<float> tone(1600);
  for (size_t i = 0; i < tone.size(); ++i)
    tone[i] = float(std::sin(2 * 3.14159265358979 * 440 * double(i) / 16000));
  std::vector<float> rows = logMelSpectrogram(tone, 10, 8);
  // Of bins around 314, 628, ... Hz: the first peak below 440 Hz is nearer.
  for (size_t frame = 2; frame < 8; ++frame) {
    auto row = rows.begin() + int64_t(frame * 8);
    EXPECT_LT(std::max_element(row, row + 8) - row, 2);
  }
}

TEST(Unfold, hasNeighboursBesideEachOther) {
  std::vector<float> rows = {1, 2, 3, 4, 5, 6}; // three of two columns
  EXPECT_THAT(unfoldRows(rows, 2, 1),
              ElementsAre(0, 1, 3, 0, 2, 4, 1, 3, 5, 2, 4, 6, 3, 5, 0, 4, 6, 0));
  EXPECT_THAT(unfoldRows(rows, 2, 2), ElementsAre(0, 1, 3, 0, 2, 4, 3, 5, 0, 4, 6, 0));
}

} // namespace
} // namespace stc
