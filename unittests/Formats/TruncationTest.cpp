// Damages a real checkpoint in every small way: cut at every byte of its header, and with flipped
// bits. Whatever comes of it, it is an error or a checkpoint, never a crash or a long wait.
#include "stc/Formats/Checkpoint.h"

#include "Builders.h"

#include "absl/strings/match.h"
#include "gmock/gmock.h"

#include <fcntl.h>
#include <unistd.h>

namespace stc {
namespace {

/// A copy of a shared checkpoint that can be damaged and repaired in place.
class Patient {
public:
  explicit Patient(const std::string &model) {
    std::string shared = sharedFolder();
    if (shared.empty())
      return;
    std::string source = shared + "/models/" + model;
    if (std::filesystem::is_directory(source)) {
      folder.write("config.json", TempFolder::read(source + "/config.json"));
      bytes = TempFolder::read(source + "/model.safetensors");
      path = folder.write("model.safetensors", bytes);
    } else {
      bytes = TempFolder::read(source);
      path = folder.write("model.gguf", bytes);
    }
    descriptor = ::open(path.c_str(), O_RDWR);
  }
  ~Patient() {
    if (descriptor >= 0)
      ::close(descriptor);
  }

  void cut(size_t length) const { ASSERT_EQ(ftruncate(descriptor, off_t(length)), 0); }
  void put(size_t at, char byte) const { ASSERT_EQ(pwrite(descriptor, &byte, 1, off_t(at)), 1); }

  /// Opens what there is; true for a checkpoint, all of whose tensors must then be readable.
  bool opens() const {
    absl::Status status;
    uint64_t sum = 0;
    auto touch = [&](const std::vector<TensorView> &tensors) {
      for (const TensorView &tensor : tensors)
        if (!tensor.bytes.empty())
          sum += tensor.bytes.front() + tensor.bytes.back();
    };
    if (absl::EndsWith(path, ".gguf")) {
      auto file = GgufFile::open(path);
      status = file.ok() ? parseGgufConfig(**file).status() : file.status();
      if (status.ok())
        touch((*file)->tensors());
    } else {
      auto file = SafetensorsFile::open(path);
      status = file.status();
      if (status.ok())
        touch((*file)->tensors());
    }
    EXPECT_GE(sum, 0u);
    if (!status.ok())
      EXPECT_THAT(std::string(status.message()), testing::StartsWith(path + ": "));
    return status.ok();
  }

  size_t headerBytes() const {
    auto checkpoint = Checkpoint::open(path);
    size_t first = bytes.size();
    for (const TensorView &tensor : (*checkpoint)->tensors())
      first = std::min(first, size_t(tensor.offset));
    return first;
  }

  std::string bytes, path;

private:
  TempFolder folder;
  int descriptor = -1;
};

class Truncation : public testing::TestWithParam<const char *> {};

TEST_P(Truncation, everyCutIsAnError) {
  Patient patient(GetParam());
  if (patient.bytes.empty())
    GTEST_SKIP() << "no shared models";
  ASSERT_TRUE(patient.opens());
  size_t header = patient.headerBytes();
  ASSERT_GT(header, 1000u);
  // The data is cut here and there, the header at every byte.
  for (size_t length = patient.bytes.size(); length-- > header;) {
    patient.cut(length);
    ASSERT_FALSE(patient.opens()) << length;
    length -= std::min(length - header, size_t(5003));
  }
  for (size_t length = header; length-- > 0;) {
    patient.cut(length);
    ASSERT_FALSE(patient.opens()) << length;
  }
}

TEST_P(Truncation, flippedBitsNeverCrash) {
  Patient patient(GetParam());
  if (patient.bytes.empty())
    GTEST_SKIP() << "no shared models";
  size_t header = patient.headerBytes(), accepted = 0;
  for (size_t at = 0; at < header; at += at < 4096 ? 1 : 3) {
    // Counts and lengths lie in the first bytes: there every bit, then one of each byte, and where
    // the vocabulary has begun one of every third.
    for (size_t bit = at < 64 ? 0 : at * 5 % 8; bit < 8; bit += at < 64 ? 1 : 8) {
      patient.put(at, char(patient.bytes[at] ^ 1 << bit));
      accepted += patient.opens();
    }
    patient.put(at, patient.bytes[at]);
  }
  EXPECT_TRUE(patient.opens());
  EXPECT_LT(accepted, header);
}

TEST_P(Truncation, extendedFilesAreErrors) {
  Patient patient(GetParam());
  if (patient.bytes.empty())
    GTEST_SKIP() << "no shared models";
  patient.cut(patient.bytes.size() + 4096);
  EXPECT_FALSE(patient.opens());
}

INSTANTIATE_TEST_SUITE_P(Stories260k, Truncation,
                         testing::Values("stories260k", "stories260k.gguf"),
                         [](const testing::TestParamInfo<const char *> &info) {
                           return std::string(absl::EndsWith(info.param, ".gguf") ? "Gguf"
                                                                                  : "Safetensors");
                         });

} // namespace
} // namespace stc
