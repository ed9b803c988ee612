// Tests of sharded safetensors checkpoints, and of the writer of both kinds.
#include "stc/Formats/Safetensors.h"

#include "Builders.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"

#include <unistd.h>

namespace stc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

std::string shard(const std::string &name) {
  return safetensorsBytes(
      "{\"" + name + "\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", "data");
}

std::string indexOf(const std::string &map) { return "{\"weight_map\":" + map + "}"; }

const char *const indexName = "model.safetensors.index.json";

std::string errorOf(const std::string &indexPath) {
  auto file = SafetensorsFile::open(indexPath);
  return file.ok() ? "OK" : std::string(file.status().message());
}

TEST(SafetensorsIndex, readsAllShards) {
  TempFolder folder;
  folder.write("one.safetensors", shard("a"));
  folder.write("two.safetensors", shard("b"));
  auto file = SafetensorsFile::open(folder.write(
      indexName, "{\"metadata\":{\"total_size\":8},\"weight_map\":{\"b\":\"two.safetensors\","
                 "\"a\":\"one.safetensors\"}}"));
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_EQ((*file)->tensors().size(), 2u);
  EXPECT_EQ((*file)->tensors()[0].name, "a");
  EXPECT_EQ((*file)->tensors()[1].name, "b");
  EXPECT_EQ((*file)->mappings().size(), 2u);
}

TEST(SafetensorsIndex, malformedIndexesAreRefused) {
  TempFolder folder;
  std::filesystem::create_directory(folder.path("in"));
  folder.write("out.safetensors", shard("a"));
  folder.write("in/one.safetensors", shard("a"));
  folder.write("in/two.safetensors", shard("b"));
  folder.write("in/broken.safetensors", "xx");
  struct {
    const char *what;
    std::string index, part;
  } cases[] = {
      {"good", indexOf("{\"a\":\"one.safetensors\",\"b\":\"two.safetensors\"}"), "OK"},
      {"empty", "", "valid JSON"},
      {"no map", "{}", "weight_map: expected an object of 1 to 100000 entries, got none"},
      {"map no object", indexOf("[]"), "got none"},
      {"no entries", indexOf("{}"), "got 0"},
      {"shard no string", indexOf("{\"a\":3}"), "weight_map.a: expected the name"},
      {"parent folder", indexOf("{\"a\":\"../out.safetensors\"}"), "'../out.safetensors'"},
      {"absolute path", indexOf("{\"a\":\"" + folder.path("out.safetensors") + "\"}"),
       "the name of a .safetensors file"},
      {"subfolder", indexOf("{\"a\":\"x/one.safetensors\"}"), "the name of a .safetensors file"},
      {"backslash", indexOf("{\"a\":\"..\\\\one.safetensors\"}"), "the name of a .safetensors"},
      {"two dots", indexOf("{\"a\":\"..\"}"), "the name of a .safetensors file"},
      {"zero byte", indexOf("{\"a\":\"one.safetensors\\u0000.safetensors\"}"), "the name of a"},
      {"other suffix", indexOf("{\"a\":\"config.json\"}"), "the name of a .safetensors file"},
      {"missing shard", indexOf("{\"a\":\"three.safetensors\"}"),
       "the shard 'three.safetensors', got no such file"},
      {"broken shard", indexOf("{\"a\":\"broken.safetensors\"}"), "broken.safetensors: header"},
      {"tensor named twice",
       indexOf("{\"a\":\"one.safetensors\",\"a\":\"two.safetensors\",\"b\":\"two.safetensors\"}"),
       "every key once"},
      {"tensor of another shard", indexOf("{\"a\":\"two.safetensors\"}"),
       "weight_map.b: expected 'two.safetensors', which holds this tensor, got no entry"},
      {"contradiction", indexOf("{\"a\":\"two.safetensors\",\"b\":\"one.safetensors\"}"),
       "got 'two.safetensors'"},
      {"tensor that no shard has", indexOf("{\"a\":\"one.safetensors\",\"c\":\"one.safetensors\"}"),
       "c: expected a tensor, as the index says, got none"},
      {"deep nesting", indexOf("{\"a\":" + std::string(5000, '[') + "}"), "nested at most"},
  };
  for (const auto &test : cases)
    EXPECT_THAT(errorOf(folder.write(std::string("in/") + indexName, test.index)),
                HasSubstr(test.part))
        << test.what;
}

TEST(SafetensorsIndex, sameTensorInTwoShardsIsRefused) {
  TempFolder folder;
  folder.write("one.safetensors", shard("a"));
  folder.write("two.safetensors",
               safetensorsBytes("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
                                "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[4,8]}}",
                                "datadata"));
  EXPECT_THAT(errorOf(folder.write(
                  indexName, indexOf("{\"a\":\"one.safetensors\",\"b\":\"two.safetensors\"}"))),
              HasSubstr("weight_map.a: expected 'two.safetensors'"));
}

TEST(SafetensorsIndex, linksStayInTheFolder) {
  TempFolder folder;
  std::filesystem::create_directory(folder.path("in"));
  folder.write("out.safetensors", shard("a"));
  folder.write("in/real.safetensors", shard("a"));
  ASSERT_EQ(symlink("../out.safetensors", folder.path("in/leaves.safetensors").c_str()), 0);
  ASSERT_EQ(symlink("real.safetensors", folder.path("in/stays.safetensors").c_str()), 0);
  ASSERT_EQ(symlink("loop.safetensors", folder.path("in/loop.safetensors").c_str()), 0);
  auto opened = [&](const std::string &name) {
    return errorOf(folder.write(std::string("in/") + indexName,
                                indexOf("{\"a\":\"" + name + ".safetensors\"}")));
  };
  EXPECT_THAT(opened("leaves"), HasSubstr("got a link that leaves it"));
  EXPECT_EQ(opened("stays"), "OK");
  EXPECT_THAT(opened("loop"), HasSubstr("got no such file"));
}

TEST(SafetensorsIndex, linksOfTheHubsCacheAreAllowed) {
  TempFolder folder;
  std::filesystem::create_directories(folder.path("repo/blobs"));
  std::filesystem::create_directories(folder.path("repo/snapshots/rev"));
  std::filesystem::create_directories(folder.path("other"));
  folder.write("repo/blobs/0123", shard("a"));
  folder.write("other/0123", shard("a"));
  std::string link = folder.path("repo/snapshots/rev/m.safetensors");
  ASSERT_EQ(symlink("../../blobs/0123", link.c_str()), 0);
  std::string index = folder.write(std::string("repo/snapshots/rev/") + indexName,
                                   indexOf("{\"a\":\"m.safetensors\"}"));
  EXPECT_EQ(errorOf(index), "OK");
  ASSERT_EQ(unlink(link.c_str()), 0);
  ASSERT_EQ(symlink("../../../other/0123", link.c_str()), 0);
  EXPECT_THAT(errorOf(index), HasSubstr("got a link that leaves it"));
}

/// Tensors of all sorts over bytes of the test.
struct Sample {
  std::vector<uint8_t> bytes;
  std::vector<TensorView> tensors;

  Sample() {
    for (int i = 0; i < 600; ++i)
      bytes.push_back(uint8_t(i * 13));
    absl::Span<const uint8_t> all = bytes;
    tensors = {{"odd", DType::U8, {3}, all.subspan(0, 3)},
               {"wide \"quoted\"", DType::F64, {2, 2}, all.subspan(3, 32)},
               {"none", DType::F32, {0, 4}, {}},
               {"half", DType::BF16, {5}, all.subspan(40, 10)},
               {"single", DType::F32, {10, 10}, all.subspan(100, 400)},
               {"scalar", DType::F32, {}, all.subspan(500, 4)}};
  }

  void expectSame(const SafetensorsFile &file) const {
    ASSERT_EQ(file.tensors().size(), tensors.size());
    for (const TensorView &given : tensors) {
      auto found = std::find_if(file.tensors().begin(), file.tensors().end(),
                                [&](const TensorView &view) { return view.name == given.name; });
      ASSERT_NE(found, file.tensors().end()) << given.name;
      EXPECT_EQ(found->dtype, given.dtype);
      EXPECT_EQ(found->shape, given.shape);
      EXPECT_TRUE(found->bytes == given.bytes) << given.name;
      EXPECT_EQ(found->offset % uint64_t(dtypeBlockBytes(given.dtype)), 0u) << given.name;
    }
  }
};

TEST(SafetensorsWriter, roundTripsOneFile) {
  TempFolder folder;
  Sample sample;
  std::string path = folder.path("m.safetensors");
  ASSERT_TRUE(writeSafetensors(path, sample.tensors, {{"format", "pt"}, {"k\n", "\"v\""}}).ok());
  auto file = SafetensorsFile::open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  sample.expectSame(**file);
  EXPECT_EQ((*file)->metadata().at("k\n"), "\"v\"");
  EXPECT_THAT(folder.names(), ElementsAre("m.safetensors"));
  ASSERT_TRUE(writeSafetensors(path, {}).ok());
  EXPECT_TRUE(SafetensorsFile::open(path).ok());
}

TEST(SafetensorsWriter, roundTripsShards) {
  for (uint64_t shardBytes : {uint64_t(1), uint64_t(40), uint64_t(410), uint64_t(1) << 40}) {
    TempFolder folder;
    Sample sample;
    ASSERT_TRUE(writeSafetensors(folder.path("model"), sample.tensors, {}, shardBytes).ok());
    auto file = SafetensorsFile::open(folder.path(indexName));
    ASSERT_TRUE(file.ok()) << file.status();
    sample.expectSame(**file);
    EXPECT_EQ(folder.names().size(), (*file)->mappings().size() + 1);
    for (const std::shared_ptr<MappedFile> &mapping : (*file)->mappings()) {
      size_t held = 0, bytes = 0;
      for (const TensorView &view : (*file)->tensors())
        if (view.file == mapping->path()) {
          held += !view.bytes.empty();
          bytes += view.bytes.size();
        }
      EXPECT_TRUE(held <= 1 || bytes <= shardBytes);
    }
  }
}

TEST(SafetensorsWriter, wrongTensorsLeaveNothing) {
  TempFolder folder;
  std::vector<uint8_t> bytes(34);
  struct {
    std::vector<TensorView> tensors;
    std::string part;
  } cases[] = {
      {{{"a", DType::U8, {33}, bytes}}, "a: expected 33 bytes, got 34"},
      {{{"a", DType::Q8_0, {32}, bytes}}, "a dtype among"},
      {{{"a", DType::U8, {34}, bytes}, {"a", DType::U8, {34}, bytes}}, "a name of its own"},
      {{{"__metadata__", DType::U8, {34}, bytes}}, "a name of its own"},
      {{{"a", DType::U8, {-34, -1}, bytes}}, "sizes of 0 or more"},
  };
  for (const auto &test : cases)
    for (uint64_t shardBytes : {0, 10}) {
      absl::Status status = writeSafetensors(folder.path("m"), test.tensors, {}, shardBytes);
      EXPECT_THAT(std::string(status.message()), HasSubstr(test.part));
      EXPECT_THAT(folder.names(), IsEmpty());
    }
}

TEST(SafetensorsWriter, failedShardsLeaveNothing) {
  TempFolder folder;
  Sample sample;
  // The index cannot be written: its name is a directory's.
  std::filesystem::create_directory(folder.path(indexName));
  EXPECT_FALSE(writeSafetensors(folder.path("model"), sample.tensors, {}, 40).ok());
  EXPECT_THAT(folder.names(), UnorderedElementsAre(indexName));
  EXPECT_FALSE(writeSafetensors(folder.path("missing/model"), sample.tensors).ok());
}

} // namespace
} // namespace stc
