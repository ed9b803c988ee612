// What vision transformers read: image files, scaling, and patches.
#include "stc/Runtime/Image.h"

#include "absl/strings/escaping.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <cmath>
#include <numeric>

namespace stc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

absl::Span<const uint8_t> bytesOf(const std::string &text) {
  return {reinterpret_cast<const uint8_t *>(text.data()), text.size()};
}

std::string decoded(absl::string_view text) {
  std::string bytes;
  EXPECT_TRUE(absl::Base64Unescape(text, &bytes));
  return bytes;
}

// 16 x 16 pixels: blocks of red, green, blue and light grey, a quarter each.
std::string colours() {
  return decoded(
      "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsL"
      "EBYQERMUFRUVDA8XGBYUGBIUFRT/2wBDAQMEBAUEBQkFBQkUDQsNFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU"
      "FBQUFBQUFBQUFBQUFBQUFBQUFBT/wAARCAAQABADAREAAhEBAxEB/8QAFgABAQEAAAAAAAAAAAAAAAAACAcJ/8QAFBAB"
      "AAAAAAAAAAAAAAAAAAAAAP/EABcBAAMBAAAAAAAAAAAAAAAAAAcICQb/xAAUEQEAAAAAAAAAAAAAAAAAAAAA/9oADAMB"
      "AAIRAxEAPwCBBkeMgg3RfCdXgzDcgjjSv//Z");
}

std::string grey() {
  return decoded(
      "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsL"
      "EBYQERMUFRUVDA8XGBYUGBIUFRT/wAALCAAQABABAREA/8QAFgABAQEAAAAAAAAAAAAAAAAACAcJ/8QAFBABAAAAAAAA"
      "AAAAAAAAAAAAAP/aAAgBAQAAPwCBEEE7ch//2Q==");
}

std::string cmyk() {
  return decoded(
      "/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwADAgIDAgIDAwMDBAMDBAUIBQUEBAUKBwcGCAwKDAwLCgsLDQ4SEA0OEQ4LCxAW"
      "EBETFBUVFQwPFxgWFBgSFBUU/8AAFAgAEAAQBEMRAE0RAFkRAEsRAP/EABcAAQEBAQAAAAAAAAAAAAAAAAkABgj/xAAU"
      "EAEAAAAAAAAAAAAAAAAAAAAA/9oADgRDAE0AWQBLAAA/AOwB9D6KmDo4qSB0cVH6P02qf//Z");
}

/// The same file with an EXIF segment behind its first two bytes.
std::string withOrientation(const std::string &jpeg, int orientation, bool littleEndian) {
  std::string tiff = littleEndian
                         ? std::string("II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\0\0\0\0", 22)
                         : std::string("MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\0\0\0", 22);
  tiff[littleEndian ? 18 : 19] = char(orientation);
  std::string segment = std::string("Exif\0\0", 6) + tiff;
  return jpeg.substr(0, 2) + "\xff\xe1" + std::string(1, '\0') + char(segment.size() + 2) +
         segment + jpeg.substr(2);
}

/// Which of the colours stand at the four corners, from the top left on: "rgbw".
std::string corners(const Image &image) {
  std::string result;
  for (auto [y, x] : {std::pair(2, 2), {2, 13}, {13, 2}, {13, 13}}) {
    const uint8_t *pixel = image.bytes.data() + 3 * (y * image.width + x);
    bool red = pixel[0] > 128, green = pixel[1] > 128, blue = pixel[2] > 128;
    result += red && green && blue ? 'w' : red ? 'r' : green ? 'g' : blue ? 'b' : '?';
  }
  return result;
}

TEST(Jpeg, GivesColours) {
  absl::StatusOr<Image> image = decodeImage(bytesOf(colours()), "a.jpg");
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->height, 16);
  EXPECT_EQ(image->width, 16);
  EXPECT_EQ(corners(*image), "rgbw");
  EXPECT_NEAR(image->bytes[0], 200, 2);
  EXPECT_NEAR(image->bytes[1], 30, 2);
  image = decodeImage(bytesOf(grey()), "a.jpg");
  ASSERT_TRUE(image.ok());
  for (int channel = 0; channel < 3; ++channel)
    EXPECT_NEAR(image->bytes[size_t(channel)], 81, 2);
}

TEST(Jpeg, IsTurnedAsItsOrientationSays) {
  const char *expected[] = {"rgbw", "grwb", "wbgr", "bwrg", "rbgw", "brwg", "wgbr", "gwrb"};
  for (int orientation = 1; orientation <= 8; ++orientation)
    for (bool littleEndian : {false, true}) {
      std::string file = withOrientation(colours(), orientation, littleEndian);
      absl::StatusOr<Image> image = decodeImage(bytesOf(file), "a.jpg");
      ASSERT_TRUE(image.ok()) << image.status();
      EXPECT_EQ(corners(*image), expected[orientation - 1]) << orientation;
    }
  absl::StatusOr<Image> odd = decodeImage(bytesOf(withOrientation(colours(), 77, true)), "a.jpg");
  ASSERT_TRUE(odd.ok());
  EXPECT_EQ(corners(*odd), "rgbw");
}

TEST(Jpeg, OfFourColoursIsRefused) {
  EXPECT_THAT(std::string(decodeImage(bytesOf(cmyk()), "a.jpg").status().message()),
              HasSubstr("a.jpg: JPEG: expected colours as YCbCr, RGB or grey, got CMYK"));
}

TEST(Image, CutOffAnywhereIsAnError) {
  std::string ppm = "P6 3 2 255\n" + std::string(18, 'x');
  std::string oriented = withOrientation(colours(), 6, true);
  for (const std::string &whole : {colours(), grey(), oriented, ppm})
    for (size_t size = 0; size + 2 < whole.size(); ++size) {
      std::string part = whole.substr(0, size);
      absl::StatusOr<Image> image = decodeImage(bytesOf(part), "a");
      EXPECT_FALSE(image.ok()) << size;
    }
}

TEST(Image, WithChangedBytesIsReadOrRefused) {
  std::string whole = withOrientation(colours(), 6, true);
  for (size_t at = 0; at < whole.size(); ++at)
    for (int flip : {1, 0x80, 0xff}) {
      std::string changed = whole;
      changed[at] = char(changed[at] ^ flip);
      absl::StatusOr<Image> image = decodeImage(bytesOf(changed), "a");
      if (image.ok()) {
        EXPECT_EQ(int64_t(image->bytes.size()), 3 * image->height * image->width);
      }
    }
}

TEST(Ppm, OfSixteenBitsAndGrey) {
  std::string file = std::string("P5 2 1 65535 \xff\xff\x80\x00", 17);
  absl::StatusOr<Image> image = decodeImage(bytesOf(file), "a.pgm");
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_THAT(image->bytes, ElementsAre(255, 255, 255, 128, 128, 128));
}

Image line(std::vector<uint8_t> values) {
  Image image{1, int64_t(values.size()), {}};
  for (uint8_t value : values)
    image.bytes.insert(image.bytes.end(), 3, value);
  return image;
}

std::vector<int> firstChannel(const Image &image) {
  std::vector<int> values;
  for (size_t i = 0; i < image.bytes.size(); i += 3)
    values.push_back(image.bytes[i]);
  return values;
}

TEST(Resize, ShrinkingWeighsAllPixelsUnderTheFilter) {
  // A triangle of half width 2 around 1 and 3: weights 0.75, 0.75, 0.25 of 4 pixels.
  Image image = line({0, 70, 140, 210});
  EXPECT_THAT(firstChannel(resizeImage(image, 1, 2, Resample::Bilinear)), ElementsAre(50, 160));
  EXPECT_THAT(firstChannel(resizeImage(image, 1, 2, Resample::Box)), ElementsAre(35, 175));
  EXPECT_THAT(firstChannel(resizeImage(image, 1, 2, Resample::Nearest)), ElementsAre(70, 210));
}

TEST(Resize, GrowingInterpolates) {
  Image image = line({0, 100});
  EXPECT_THAT(firstChannel(resizeImage(image, 1, 4, Resample::Bilinear)),
              ElementsAre(0, 25, 75, 100));
  // Both ends of a cubic would reach beyond: bytes are cut.
  std::vector<int> cubic = firstChannel(resizeImage(line({0, 255}), 1, 6, Resample::Bicubic));
  EXPECT_EQ(cubic.front(), 0);
  EXPECT_EQ(cubic.back(), 255);
}

TEST(Resize, KeepsConstantImagesAndSizes) {
  Image image{5, 7, std::vector<uint8_t>(3 * 5 * 7, 201)};
  for (auto resample : {Resample::Nearest, Resample::Lanczos, Resample::Bilinear, Resample::Bicubic,
                        Resample::Box, Resample::Hamming})
    for (int64_t height : {1, 4, 5, 23})
      for (int64_t width : {1, 7, 40}) {
        Image scaled = resizeImage(image, height, width, resample);
        EXPECT_EQ(scaled.height, height);
        EXPECT_EQ(scaled.width, width);
        EXPECT_EQ(scaled.bytes, std::vector<uint8_t>(size_t(3 * height * width), 201));
      }
}

ImageSettings small() {
  ImageSettings settings;
  settings.height = 2;
  settings.width = 4;
  settings.patchHeight = 1;
  settings.patchWidth = 2;
  settings.classTokens = 1;
  return settings;
}

TEST(Pixels, AreCutToTheMiddleAndNormalized) {
  ImageSettings settings = small();
  settings.cropHeight = 2;
  settings.cropWidth = 4;
  settings.mean = {0, 0.5, 1};
  settings.deviation = {1, 0.5, 2};
  Image image{3, 7, {}};
  for (int i = 0; i < 21; ++i)
    image.bytes.insert(image.bytes.end(), {uint8_t(i), 255, 0});
  absl::StatusOr<std::vector<float>> pixels = imagePixels(image, settings, "a");
  ASSERT_TRUE(pixels.ok()) << pixels.status();
  ASSERT_EQ(pixels->size(), 24u);
  EXPECT_FLOAT_EQ((*pixels)[0], 1 / 255.0F); // row 0, column 1
  EXPECT_FLOAT_EQ((*pixels)[7], 11 / 255.0F);
  EXPECT_FLOAT_EQ((*pixels)[8], 1);
  EXPECT_FLOAT_EQ((*pixels)[16], -0.5F);
  image.height = 1;
  EXPECT_THAT(std::string(imagePixels(image, settings, "a").status().message()),
              HasSubstr("a: size: expected at least 4 x 2 pixels"));
}

TEST(Pixels, OfLongImagesTakeNoMoreMemoryThanOthers) {
  ImageSettings settings = small();
  settings.shortestEdge = 4096;
  settings.cropHeight = 2;
  settings.cropWidth = 4;
  Image image{1, 1 << 20, std::vector<uint8_t>(3 << 20)};
  EXPECT_THAT(std::string(imagePixels(image, settings, "a").status().message()),
              HasSubstr("expected an image whose edges are of more alike lengths"));
}

TEST(Pixels, UnfoldIntoPatchesBehindZeros) {
  std::vector<float> pixels(24);
  std::iota(pixels.begin(), pixels.end(), 1.0F);
  std::vector<float> rows = unfoldPatches(pixels, small());
  ASSERT_EQ(rows.size(), 5u * 6);
  EXPECT_THAT(absl::MakeSpan(rows).subspan(0, 6), ElementsAre(0, 0, 0, 0, 0, 0));
  EXPECT_THAT(absl::MakeSpan(rows).subspan(6, 6), ElementsAre(1, 2, 9, 10, 17, 18));
  EXPECT_THAT(absl::MakeSpan(rows).subspan(24, 6), ElementsAre(7, 8, 15, 16, 23, 24));
}

TEST(ImageSettings, AreReadAsTheyWereWritten) {
  ImageSettings settings = small();
  settings.classifiers = 1;
  settings.isMultiLabel = true;
  settings.labels = {"a cat", "", "x=y"};
  settings.shortestEdge = 9;
  settings.resample = Resample::Bicubic;
  settings.rescale = 0.1;
  settings.mean = {0.485, 0.456, 1e-30};
  std::string text = formatImageSettings(settings);
  absl::StatusOr<ImageSettings> read = parseImageSettings(text);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(formatImageSettings(*read), text);
  EXPECT_EQ(read->labels, settings.labels);
  EXPECT_EQ(read->mean, settings.mean);
  EXPECT_EQ(read->positions(), 5);
  for (const std::string &bad : {std::string(), std::string("height=1"), text + "\nmore",
                                 "other=1 " + text, "height=3 " + text})
    EXPECT_FALSE(parseImageSettings(bad).ok()) << bad;
}

} // namespace
} // namespace stc
