// What commands write: JSON, .npy files and a checked standard output.
#include "stc/Runtime/Output.h"
#include "stc/Runtime/JsonWriter.h"
#include "stc/Runtime/Npy.h"

#include "FakeModel.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <cmath>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace stc {
namespace {

using testing::HasSubstr;

TEST(JsonWriter, NestsAndSeparates) {
  JsonWriter json;
  json.beginObject();
  json.string("a", "x\"\\\n\x01\xff\xc3\xa9");
  json.integer("b", INT64_MIN);
  json.beginArray("c");
  json.beginObject();
  json.endObject();
  json.number("", 0.5);
  json.number("", NAN);
  json.boolean("", true);
  json.endArray();
  json.number("d", 1e300);
  json.endObject();
  EXPECT_EQ(json.text(), "{\"a\": \"x\\\"\\\\\\u000a\\u0001\\ufffd\xc3\xa9\", "
                         "\"b\": -9223372036854775808, \"c\": [{},0.5,null,true], \"d\": 1e+300}");
}

TEST(Npy, HeaderIsExact) {
  std::string header = npyHeader(3, 5);
  EXPECT_EQ(header.size() % 64, 0u);
  EXPECT_EQ(header.substr(0, 8), std::string("\x93NUMPY\x01\x00", 8));
  EXPECT_EQ(size_t(uint8_t(header[8]) | uint8_t(header[9]) << 8), header.size() - 10);
  EXPECT_THAT(header.substr(10),
              testing::StartsWith("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 5), }"));
  EXPECT_EQ(header.back(), '\n');
}

TEST(Npy, WritesRowsAndChecksTheirNumber) {
  test::TemporaryDirectory directory;
  std::string path = directory / "x.npy";
  auto writer = NpyWriter::create(path, 2, 2);
  ASSERT_TRUE(writer.ok()) << writer.status();
  ASSERT_TRUE(writer->write({1, 2}).ok());
  EXPECT_THAT(std::string(writer->commit().message()), HasSubstr("got 2 too few"));
  EXPECT_FALSE(readFile(path).ok());
  ASSERT_TRUE(writer->write({3, -0.5f}).ok());
  ASSERT_TRUE(writer->commit().ok());
  std::string bytes = readFile(path).value();
  ASSERT_EQ(bytes.size(), npyHeader(2, 2).size() + 16);
  float values[4];
  std::memcpy(values, bytes.data() + bytes.size() - 16, 16);
  EXPECT_THAT(values, testing::ElementsAre(1, 2, 3, -0.5f));
}

TEST(Output, ReportsAClosedPipe) {
  std::signal(SIGPIPE, SIG_IGN);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  close(ends[0]);
  Output output(ends[1], "standard output");
  ASSERT_TRUE(output.write("text").ok());
  EXPECT_EQ(output.flush().message(),
            "standard output: expected a complete write, got Broken pipe");
  close(ends[1]);
}

TEST(Output, ReportsAFullDisk) {
  int full = open("/dev/full", O_WRONLY);
  if (full < 0)
    GTEST_SKIP() << "no /dev/full";
  Output output(full, "standard output");
  EXPECT_THAT(std::string(output.write(std::string(1 << 20, 'x')).message()),
              HasSubstr("No space left on device"));
  EXPECT_TRUE(output.flush().ok()) << "a failed write is reported once";
  close(full);
}

} // namespace
} // namespace stc
