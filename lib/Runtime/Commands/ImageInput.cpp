// What vision transformers read, as options of commands.
#include "ImageInput.h"

#include "stc/Runtime/Image.h"
#include "stc/Runtime/Npy.h"

#include "absl/strings/str_cat.h"

namespace stc {

Option imageOption(bool repeats) {
  return {
      "--image", "", "FILE",
      absl::StrCat("Of a vision transformer: a PNG, JPEG or binary PPM file, which is scaled and\n"
                   "normalized as the checkpoint says",
                   repeats ? " (may be repeated)." : "."),
      repeats};
}

absl::StatusOr<std::vector<float>> readImage(const Model &model, const std::string &path) {
  STC_RETURN_IF_ERROR(model.require(Ability::See));
  STC_ASSIGN_OR_RETURN(std::shared_ptr<MappedFile> file, MappedFile::open(path));
  STC_ASSIGN_OR_RETURN(Image image, decodeImage(file->bytes(), path));
  return imagePixels(image, *model.image(), path);
}

absl::StatusOr<std::vector<float>> readPixels(const Model &model, const std::string &path) {
  STC_RETURN_IF_ERROR(model.require(Ability::See));
  const ImageSettings &image = *model.image();
  STC_ASSIGN_OR_RETURN(NpyArray array, readNpy(path));
  std::vector<int64_t> shape = array.shape;
  if (shape.size() == 4 && shape.front() == 1)
    shape.erase(shape.begin());
  std::vector<int64_t> expected{image.channels, image.height, image.width};
  if (shape != expected)
    return formatError({path, "shape", {}}, shapeText(expected), shapeText(array.shape));
  return std::move(array.values);
}

} // namespace stc
