// What the programs that run GPU kernels share.
#include "GpuCases.h"

#include "stc/Support/Error.h"
#include "stc/Support/Float.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <sstream>

using namespace stc;

std::vector<Words> stc::readWords(const std::string &path) {
  std::vector<Words> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    Words entry;
    std::istringstream words(line);
    for (std::string word; words >> word;) {
      size_t at = word.find('=');
      entry[word.substr(0, at)] = word.substr(at + 1);
    }
    if (!entry.empty())
      lines.push_back(std::move(entry));
  }
  return lines;
}

std::string stc::readFile(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream content;
  content << file.rdbuf();
  return content.str();
}

const std::string &stc::text(const Words &words, const std::string &key) { return words.at(key); }

int64_t stc::number(const Words &words, const std::string &key) {
  return std::stoll(words.at(key));
}

Layout stc::layoutOf(const Words &words) {
  Layout layout;
  layout.kind = LayoutKind(number(words, "kind"));
  layout.element = ElementKind(number(words, "element"));
  layout.group = number(words, "group");
  layout.n = number(words, "n");
  layout.m = number(words, "m");
  layout.asymmetric = number(words, "asymmetric") != 0;
  layout.perRow = number(words, "per_row") != 0;
  layout.minimums = number(words, "minimums") != 0;
  return layout;
}

StcGpuImage stc::cubinImage(const std::string &code, const Words &words) {
  StcGpuImage image = {};
  image.target = text(words, "target").c_str();
  image.format = "cubin";
  image.bytes = reinterpret_cast<const uint8_t *>(code.data());
  image.size = code.size();
  image.block_threads = uint64_t(number(words, "threads"));
  image.shared_bytes = uint64_t(number(words, "shared"));
  for (size_t i = 0; i < STC_FEW_TOKEN_KERNELS; ++i) {
    std::string key = absl::StrCat("few_tokens", i);
    image.few_tokens[i] = words.count(key) ? uint64_t(number(words, key)) : 0;
  }
  return image;
}

/// Which weights are not zero, [rows][columns].
static std::vector<bool> chooseKept(const Layout &layout, int64_t rows, int64_t columns,
                                    double density, std::mt19937 &random) {
  std::vector<bool> kept(size_t(rows * columns));
  auto isChosen = [&] { return random() % 1000 < 1000 * density; };
  if (layout.kind == LayoutKind::Block) {
    for (int64_t row = 0; row < rows; row += kTileRows)
      for (int64_t column = 0; column < columns; column += kDotColumns)
        if (isChosen())
          for (int64_t r = row; r < std::min(row + kTileRows, rows); ++r)
            for (int64_t c = column; c < std::min(column + kDotColumns, columns); ++c)
              kept[size_t(r * columns + c)] = true;
    return kept;
  }
  for (int64_t row = 0; row < rows; ++row)
    if (layout.n > 0) {
      for (int64_t first = 0; first < columns; first += layout.m) {
        std::vector<int64_t> places(size_t(std::min(layout.m, columns - first)));
        for (size_t i = 0; i < places.size(); ++i)
          places[i] = first + int64_t(i);
        std::shuffle(places.begin(), places.end(), random);
        for (int64_t i = 0; i < std::min<int64_t>(layout.n, int64_t(places.size())); ++i)
          kept[size_t(row * columns + places[size_t(i)])] = true;
      }
    } else {
      for (int64_t column = 0; column < columns; ++column)
        kept[size_t(row * columns + column)] = layout.kind == LayoutKind::Dense || isChosen();
    }
  return kept;
}

std::vector<float> stc::randomFloats(const Layout &layout, int64_t rows, int64_t columns,
                                     double density, std::mt19937 &random) {
  std::vector<bool> kept = chooseKept(layout, rows, columns, density, random);
  std::vector<float> values(kept.size());
  for (size_t i = 0; i < values.size(); ++i)
    if (kept[i])
      values[i] = float(int(random() % 17) - 8) / 16;
  return values;
}

QuantizedMatrix stc::randomMatrix(const Layout &layout, int64_t rows, int64_t columns,
                                  double density, std::mt19937 &random) {
  QuantizedMatrix matrix;
  matrix.rows = rows;
  matrix.columns = columns;
  matrix.group = layout.scaleColumns(columns);
  matrix.codes.resize(size_t(rows * columns));
  int low = -int(layout.zeroPoint()), high = int(layout.zeroPoint()) - 1;
  auto code = [&] {
    int value = 0;
    while (value == 0)
      value = low + int(random() % uint32_t(high - low + 1));
    return int8_t(value);
  };
  std::vector<bool> kept = chooseKept(layout, rows, columns, density, random);
  for (size_t i = 0; i < kept.size(); ++i)
    if (kept[i])
      matrix.codes[i] = code();
  for (int64_t i = 0; i < rows * matrix.groups(); ++i)
    matrix.scales.push_back(floatToHalf(std::ldexp(1.0f, -4 - int(random() % 3))));
  if (layout.minimums) {
    matrix.commonZero = int8_t(low);
    for (int64_t i = 0; i < rows * matrix.groups(); ++i)
      matrix.minimums.push_back(floatToHalf(float(random() % 17) / 16));
  }
  if (layout.asymmetric)
    for (int64_t i = 0; i < rows * matrix.groups(); ++i)
      matrix.zeros.push_back(int8_t(low + int(random() % uint32_t(high - low + 1))));
  return matrix;
}

absl::StatusOr<double> stc::measureCopy(GpuDevice &device) {
  const uint64_t bytes = 2ull << 30;
  STC_ASSIGN_OR_RETURN(GpuMemory from, GpuMemory::allocate(device, bytes, "the copy"));
  STC_ASSIGN_OR_RETURN(GpuMemory to, GpuMemory::allocate(device, bytes, "the copy"));
  std::vector<double> rates;
  for (int i = 0; i < 12; ++i) {
    STC_ASSIGN_OR_RETURN(double seconds, device.measure([&] {
      return device.copy(to.address(), from.address(), bytes);
    }));
    rates.push_back(2.0 * double(bytes) / seconds);
  }
  std::sort(rates.begin(), rates.end());
  double rate = rates[rates.size() / 2];
  std::printf("%s, %d multiprocessors, driver %s: copy %.0f GB/s (read and written)\n",
              device.properties().name.c_str(), device.properties().multiprocessors,
              device.properties().driver.c_str(), rate * 1e-9);
  return rate;
}
