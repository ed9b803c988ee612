// Streams of logits: the stored bytes, and everything that can be wrong with them.
#include "FakeModel.h"

#include "stc/Runtime/LogitsStream.h"
#include "stc/Support/Predictions.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <cmath>
#include <cstring>

namespace stc {
namespace {

using testing::HasSubstr;

class LogitsStream : public testing::Test {
protected:
  void SetUp() override {
    header.vocabulary = 3;
    header.context = 8;
    header.rows = 2;
    header.tokensHash = 0x0123456789ABCDEF;
  }

  absl::Status write(const std::vector<std::vector<float>> &rows) {
    STC_ASSIGN_OR_RETURN(auto writer, LogitsWriter::create(path, header));
    for (const std::vector<float> &row : rows) {
      std::vector<uint8_t> bytes(header.rowBytes());
      writer->encode(row, logSumExp(row), bytes.data());
      STC_RETURN_IF_ERROR(writer->write(bytes));
    }
    return writer->finish();
  }

  void overwrite(const std::string &bytes) {
    auto file = AtomicFile::create(path).value();
    ASSERT_TRUE(file->write(bytes).ok());
    ASSERT_TRUE(file->commit().ok());
  }

  /// What opening, or else checking, says.
  std::string error() {
    auto reader = LogitsReader::open(path, {});
    absl::Status status = reader.ok() ? (*reader)->check(header) : reader.status();
    return std::string(status.message());
  }

  test::TemporaryDirectory directory;
  std::string path = directory / "logits.stcl";
  LogitsHeader header;
};

TEST_F(LogitsStream, StoredBytes) {
  // Probabilities 1/4, 1/2, 1/4: -2 ln 2, -ln 2 and -2 ln 2 in float16 are BD8C, B98C and BD8C.
  float two = std::log(2.0f);
  ASSERT_TRUE(write({{0, two, 0}, {5, 5 + two, 5}}).ok());
  const unsigned char expected[] = {'S',  'T',  'C',  'L',  'O',  'G',  'I',  'T',  1,
                                    0,    0,    0,    16,   0,    0,    0, // version, bits
                                    3,    0,    0,    0,    0,    0,    0,    0,    8,
                                    0,    0,    0,    0,    0,    0,    0, // vocabulary, context
                                    2,    0,    0,    0,    0,    0,    0,    0,    // rows
                                    0xEF, 0xCD, 0xAB, 0x89, 0x67, 0x45, 0x23, 0x01, // hash
                                    0x8C, 0xBD, 0x8C, 0xB9, 0x8C, 0xBD, 0x8C, 0xBD, 0x8C,
                                    0xB9, 0x8C, 0xBD};
  std::string bytes = readFile(path).value();
  ASSERT_EQ(bytes.size(), sizeof(expected));
  EXPECT_EQ(std::memcmp(bytes.data(), expected, sizeof(expected)), 0);
}

TEST_F(LogitsStream, ReadsWhatWasWritten) {
  for (uint32_t bits : {16, 32}) {
    header.bits = bits;
    ASSERT_TRUE(write({{0, 1, 2}, {-100, 3, 100000}}).ok());
    auto reader = LogitsReader::open(path, {}).value();
    ASSERT_TRUE(reader->check(header).ok());
    std::vector<float> rows(6);
    ASSERT_TRUE(reader->read(absl::MakeSpan(rows).subspan(0, 3)).ok());
    ASSERT_TRUE(reader->read(absl::MakeSpan(rows).subspan(3)).ok());
    if (bits == 32) {
      EXPECT_EQ(rows, (std::vector<float>{0, 1, 2, -100, 3, 100000}));
    } else {
      double sum = logSumExp({0, 1, 2});
      for (int i = 0; i < 3; ++i)
        EXPECT_NEAR(double(rows[size_t(i)]), i - sum, 1e-3);
      // What float16 cannot hold is as good as impossible.
      EXPECT_EQ(rows[3], -INFINITY);
      EXPECT_EQ(rows[5], 0);
    }
    EXPECT_FALSE(reader->read(absl::MakeSpan(rows)).ok());
  }
}

TEST_F(LogitsStream, AFileAppearsWhole) {
  for (int rows : {0, 1, 3}) {
    absl::Status status = write(std::vector<std::vector<float>>(size_t(rows), {0, 0, 0}));
    EXPECT_THAT(std::string(status.message()), HasSubstr("rows: expected 2, got"));
    EXPECT_FALSE(readFile(path).ok());
  }
}

TEST_F(LogitsStream, OtherTexts) {
  ASSERT_TRUE(write({{0, 1, 2}, {0, 1, 2}}).ok());
  EXPECT_EQ(error(), "");
  const LogitsHeader good = header;
  struct Case {
    uint64_t LogitsHeader::*field;
    const char *message;
  };
  for (const Case &c :
       {Case{&LogitsHeader::vocabulary, "vocabulary: expected 4, got 3"},
        Case{&LogitsHeader::context, "context: expected 9, got 8"},
        Case{&LogitsHeader::rows, "scored tokens: expected 3, got 2"},
        Case{&LogitsHeader::tokensHash, "tokens: expected the ids that the evaluated model"}}) {
    header = good;
    ++(header.*c.field);
    EXPECT_THAT(error(), HasSubstr(c.message));
    EXPECT_THAT(error(), HasSubstr(path));
  }
}

TEST_F(LogitsStream, DamagedFiles) {
  ASSERT_TRUE(write({{0, 1, 2}, {0, 1, 2}}).ok());
  const std::string good = readFile(path).value();
  for (size_t length = 0; length < good.size(); ++length) {
    overwrite(good.substr(0, length));
    EXPECT_THAT(error(), HasSubstr(path)) << length;
    EXPECT_THAT(error(), HasSubstr("expected")) << length;
  }
  EXPECT_THAT(error(), HasSubstr("expected 60 bytes, got 59"));
  overwrite(good + "x");
  EXPECT_THAT(error(), HasSubstr("expected 60 bytes, got 61"));
  auto changed = [&](size_t at, char byte) {
    std::string bytes = good;
    bytes[at] = byte;
    overwrite(bytes);
    return error();
  };
  EXPECT_THAT(changed(0, 'X'), HasSubstr("expected saved log-probabilities or a model binary"));
  EXPECT_THAT(changed(8, 2), HasSubstr("version @0x8: expected 1, got 2"));
  EXPECT_THAT(changed(12, 8), HasSubstr("bits @0xc: expected 16 or 32, got 8"));
  EXPECT_THAT(changed(23, 1), HasSubstr("vocabulary: expected 3"));
}

TEST_F(LogitsStream, NotStreams) {
  EXPECT_THAT(error(), HasSubstr("No such file"));
  path = directory / "";
  EXPECT_THAT(error(), HasSubstr("got a directory"));
  path = "/dev/null";
  EXPECT_THAT(error(), HasSubstr("got no regular file"));
  path = "/bin/sh"; // a program, but none of ours: it must not be run
  EXPECT_THAT(error(), HasSubstr("/bin/sh: "));
  EXPECT_THAT(error(), HasSubstr("expected"));
}

} // namespace
} // namespace stc
