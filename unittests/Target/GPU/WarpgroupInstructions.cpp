// What the instructions of a warpgroup do (wgmma), as PTX's manual describes them: the text of
// inline assembly is run, line by line.
#include "WarpInstructions.h"

#include "stc/Support/Float.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/ErrorHandling.h"

#include <cstring>
#include <map>
#include <string>
#include <vector>

using namespace stc;
using llvm::MutableArrayRef;
using llvm::SmallVector;
using llvm::StringRef;

namespace {

[[noreturn]] void fail(const llvm::Twine &what, StringRef text) {
  llvm::report_fatal_error("the emulator expects " + what + ", but got " + text);
}

int64_t numberOf(StringRef text) {
  int64_t number = 0;
  if (text.trim().getAsInteger(10, number))
    fail("a number", text);
  return number;
}

/// A type of the numbers of matrices A and B.
struct Type {
  int bytes;
  double (*read)(uint32_t bits);
};

Type typeOf(StringRef name) {
  if (name == "u8")
    return {1, [](uint32_t bits) { return double(uint8_t(bits)); }};
  if (name == "s8")
    return {1, [](uint32_t bits) { return double(int8_t(bits)); }};
  if (name == "f16")
    return {2, [](uint32_t bits) { return double(halfToFloat(uint16_t(bits))); }};
  if (name == "bf16")
    return {2, [](uint32_t bits) { return double(bfloat16ToFloat(uint16_t(bits))); }};
  fail("numbers of wgmma", name);
}

/// An operand of the text: "$3", the name of a register, or a number.
struct Operand {
  enum { Numbered, Register, Number } kind;
  int64_t value; // Register: its number among those of the text
};

/// A line of the text that does something.
struct Line {
  enum { Fence, Commit, Add, Join, SetIfEqual, Multiply } kind;
  SmallVector<SmallVector<Operand>> operands; // each a vector, or one alone
  // Of products:
  int columns, depth; // N and K
  bool isSparse, isFloat;
  bool aIsTransposed; // in shared memory
  Type aType, bType;
};

/// The text of inline assembly.
class Program {
public:
  explicit Program(StringRef text) {
    SmallVector<StringRef> lines;
    text.split(lines, '\n');
    for (StringRef line : lines) {
      line = line.trim().rtrim(';');
      if (line != "{" && line != "}" && !line.starts_with(".reg "))
        parse(line);
    }
    // What products read and write is fenced before, and waited for elsewhere.
    auto is = [](auto kind) { return [=](const Line &line) { return line.kind == kind; }; };
    auto product = llvm::find_if(program, is(Line::Multiply));
    if (llvm::find_if(program, is(Line::Fence)) >= product || product == program.end() ||
        program.back().kind != Line::Commit)
      fail("products between a fence and what puts them into a group", text);
  }

  const std::vector<Line> &lines() const { return program; }
  size_t registerCount() const { return names.size(); }

private:
  void parse(StringRef text) {
    Line line{};
    if (text == "wgmma.fence.sync.aligned") {
      line.kind = Line::Fence;
    } else if (text == "wgmma.commit_group.sync.aligned") {
      line.kind = Line::Commit;
    } else if (text.consume_front("add.u32 ")) {
      line.kind = Line::Add;
      line.operands = parseOperands(text);
    } else if (text.consume_front("mov.b64 ")) { // of two words
      line.kind = Line::Join;
      line.operands = parseOperands(text);
    } else if (text.consume_front("setp.eq.u32 ")) {
      line.kind = Line::SetIfEqual;
      line.operands = parseOperands(text);
    } else if (text.consume_front("wgmma.mma_async.")) {
      line.isSparse = text.consume_front("sp.");
      if (!text.consume_front("sync.aligned."))
        fail("a wgmma that all threads run", text);
      parseProduct(text, line);
    } else {
      fail("an instruction that it knows", text);
    }
    program.push_back(std::move(line));
  }

  Operand parseOperand(StringRef text) {
    if (text.consume_front("$"))
      return {Operand::Numbered, numberOf(text)};
    if (llvm::isDigit(text[0]))
      return {Operand::Number, numberOf(text)};
    return {Operand::Register, names.try_emplace(text.str(), names.size()).first->second};
  }

  /// "a, {b, c}, d".
  SmallVector<SmallVector<Operand>> parseOperands(StringRef text) {
    SmallVector<SmallVector<Operand>> operands;
    for (text = text.ltrim(); !text.empty(); text = text.ltrim()) {
      bool isVector = text.consume_front("{");
      auto [operand, rest] = text.split(isVector ? '}' : ',');
      SmallVector<StringRef> words;
      operand.split(words, ',');
      operands.emplace_back();
      for (StringRef word : words)
        operands.back().push_back(parseOperand(word.trim()));
      text = isVector ? rest.ltrim(", ") : rest;
    }
    return operands;
  }

  /// "m64n128k16.f32.f16.f16 operands". A is a vector of registers, or a descriptor. Floats have
  /// factors of A and B behind all others, which must be 1, and whether the matrices that are in
  /// shared memory are transposed.
  void parseProduct(StringRef text, Line &line) {
    auto [shape, operands] = text.split(' ');
    SmallVector<StringRef> words;
    shape.split(words, '.');
    if (words.size() != 4 || !words[0].consume_front("m64n"))
      fail("a shape and three types of wgmma", shape);
    line.kind = Line::Multiply;
    line.columns = int(numberOf(words[0].split('k').first));
    line.depth = int(numberOf(words[0].split('k').second));
    line.isFloat = words[1] == "f32";
    line.aType = typeOf(words[2]);
    line.bType = typeOf(words[3]);
    line.operands = parseOperands(operands);
    bool isOfHalves = line.aType.bytes == 2;
    if (line.depth * line.aType.bytes != (line.isSparse ? 64 : 32) ||
        line.aType.bytes != line.bType.bytes || line.isFloat != isOfHalves ||
        (!line.isFloat && words[1] != "s32"))
      fail("a wgmma that it knows", shape);
    size_t common = line.isSparse ? 6 : 4;
    if (line.operands.size() < common || int(line.operands[0].size()) != line.columns / 2)
      fail("operands of wgmma", operands);
    bool aIsShared = line.operands[1].size() == 1;
    size_t more = isOfHalves ? aIsShared ? 4 : 3 : 0;
    if (line.operands.size() != common + more || (!aIsShared && line.operands[1].size() != 4) ||
        (aIsShared && line.isSparse))
      fail("operands of wgmma", operands);
    auto is = [&](size_t i, int64_t value) {
      Operand operand = line.operands[common + i][0];
      return operand.kind == Operand::Number && operand.value == value;
    };
    if (isOfHalves && (!is(0, 1) || !is(1, 1) || !is(more - 1, 0)))
      fail("matrices that are not negated, and a second one that is not transposed", operands);
    line.aIsTransposed = isOfHalves && aIsShared && is(2, 1);
    if (isOfHalves && aIsShared && !line.aIsTransposed && !is(2, 0))
      fail("whether a matrix is transposed", operands);
  }

  std::vector<Line> program;
  std::map<std::string, int64_t> names; // of registers
};

/// A matrix in shared memory of which a descriptor says how it lies: its rows are A's, or B's
/// columns.
///
/// "Canonical Layouts" of "Shared Memory Matrix Layout": 8 times 16, 32, 64 or 128 bytes are an
/// atom. K-major, eight rows have so many bytes of their columns one behind the other; the stride
/// is from eight rows to the next, and from atom to atom along the columns there is nothing to go.
/// MN-major
/// ("transposed"), eight columns have so many bytes of their rows one behind the other; the leading
/// distance is to the next such rows, and the stride to the next eight columns. Chunks of 16 bytes
/// are exchanged by the bits of an address that are three above those which number them.
class SharedMatrix {
public:
  SharedMatrix(uint64_t descriptor, Type type, bool isTransposed, const uint8_t *sharedMemory,
               SharedReads &reads)
      : type(type), isTransposed(isTransposed), sharedMemory(sharedMemory), reads(reads),
        start((descriptor & 0x3FFF) << 4), leading((descriptor >> 16 & 0x3FFF) << 4),
        stride((descriptor >> 32 & 0x3FFF) << 4) {
    constexpr uint64_t widths[] = {16, 128, 64, 32};
    width = widths[descriptor >> 62];
    // Without exchanges the two distances change their parts.
    if (width == 16)
      llvm::report_fatal_error("the matrix of a descriptor is of another order");
    if (descriptor >> 49 & 7)
      llvm::report_fatal_error("the pattern of a matrix does not begin where its repeats do");
  }

  double read(int row, int column) const {
    uint64_t r = row, c = column, size = type.bytes, address = start;
    if (isTransposed) {
      uint64_t inAtom = width / size;
      address += r % inAtom * size + r / inAtom * leading + c % 8 * width + c / 8 * stride;
    } else {
      if (start % width + c * size >= width)
        llvm::report_fatal_error("columns of a matrix go beyond an atom");
      address += c * size + r % 8 * width + r / 8 * stride;
    }
    address ^= (address >> 7 & (width / 16 - 1)) << 4;
    uint64_t inMemory = reinterpret_cast<uintptr_t>(sharedMemory) % kEmulatedSharedBytes;
    address = (address + kEmulatedSharedBytes - inMemory) % kEmulatedSharedBytes;
    reads.set(address / 16);
    uint32_t word = 0;
    std::memcpy(&word, sharedMemory + address, size);
    return type.read(word);
  }

private:
  Type type;
  bool isTransposed;
  const uint8_t *sharedMemory;
  SharedReads &reads;
  uint64_t start, leading, stride, width;
};

/// Runs a program for the threads of one warp, which has 16 of the 64 rows.
class WarpRun {
public:
  WarpRun(size_t warp, MutableArrayRef<WarpCall *> calls, int64_t results,
          const uint8_t *sharedMemory, SharedReads &reads)
      : warp(warp), calls(calls), results(results), sharedMemory(sharedMemory), reads(reads) {}

  void run(const Program &program) {
    // Operands that are results too stand behind all others.
    // There are none where products begin at zero.
    for (WarpCall *call : calls)
      for (int64_t i = 0; i < results && int64_t(call->operandCount) >= results; ++i)
        call->results[i] = uint32_t(call->operands[call->operandCount - results + i]);
    registers.assign(calls.size(), std::vector<uint64_t>(program.registerCount()));
    for (const Line &line : program.lines()) {
      if (line.kind == Line::Multiply)
        multiply(line);
      if (line.kind != Line::Add && line.kind != Line::Join && line.kind != Line::SetIfEqual)
        continue;
      for (size_t lane = 0; lane < calls.size(); ++lane) {
        bool isJoin = line.kind == Line::Join;
        auto a = uint32_t(valueOf(lane, line.operands[1][0]));
        auto b = uint32_t(valueOf(lane, isJoin ? line.operands[1][1] : line.operands[2][0]));
        registers[lane][line.operands[0][0].value] = isJoin ? uint64_t(b) << 32 | a
                                                     : line.kind == Line::Add ? a + b
                                                                              : uint32_t(a == b);
      }
    }
  }

private:
  uint64_t valueOf(size_t lane, Operand operand) {
    if (operand.kind == Operand::Number)
      return uint64_t(operand.value);
    if (operand.kind == Operand::Register)
      return registers[lane][operand.value];
    return operand.value < results ? calls[lane]->results[operand.value]
                                   : calls[lane]->operands[operand.value - results];
  }

  /// The same in all threads.
  uint64_t commonValueOf(Operand operand) {
    uint64_t value = valueOf(0, operand);
    for (size_t lane = 1; lane < calls.size(); ++lane)
      if (valueOf(lane, operand) != value)
        llvm::report_fatal_error("threads of a warp disagree on an operand of wgmma");
    return value;
  }

  /// A of `depth` columns, of which this warp has 16 rows. In registers, thread t of four has in
  /// word w numbers of row w % 2 (of eight rows each) and half w / 2 of the columns. Sparse: what
  /// is stored are two numbers of each four columns, whose places are two bits each of a word: of
  /// bytes, threads 0 and 1 of four have those of the first half of the columns, each of one row,
  /// and threads 2 and 3 those of the other. Of 16 bits, the selector says which two threads count:
  /// the first of them has those of the first half of the columns, of the first row in its lower
  /// 16 bits and of the second one in its upper, and the other those of the other half.
  std::vector<std::vector<double>> readWeights(const Line &product) {
    std::vector<std::vector<double>> a(16, std::vector<double>(product.depth));
    if (product.operands[1].size() == 1) {
      SharedMatrix matrix(commonValueOf(product.operands[1][0]), product.aType,
                          product.aIsTransposed, sharedMemory, reads);
      for (int row = 0; row < 16; ++row)
        for (int k = 0; k < product.depth; ++k)
          a[row][k] = matrix.read(int(warp % 4) * 16 + row, k);
      return a;
    }
    int perWord = 4 / product.aType.bytes;
    int perHalf = product.depth / (product.isSparse ? 4 : 2);
    bool isOfHalves = product.aType.bytes == 2;
    int selector = product.isSparse ? int(commonValueOf(product.operands[4][0])) : 0;
    if (selector > (isOfHalves ? 1 : 0))
      llvm::report_fatal_error("places of these types have no such selector");
    auto placesOf = [&](int lane, int row, int half) { // of a half's columns, from bit 0 on
      int from = isOfHalves ? 2 * selector + half : 2 * half + row;
      auto word = uint32_t(valueOf(lane / 4 * 4 + from, product.operands[3][0]));
      return isOfHalves ? word >> (16 * row) & 0xFFFF : word;
    };
    for (int lane = 0; lane < kWarpThreads; ++lane)
      for (int w = 0; w < 4; ++w)
        for (int i = 0; i < perWord; ++i) {
          auto word = uint32_t(valueOf(lane, product.operands[1][w]));
          int inHalf = lane % 4 * perWord + i;
          int column = w / 2 * perHalf + inHalf;
          if (product.isSparse) {
            uint32_t places = placesOf(lane, w % 2, w / 2);
            int place = places >> (2 * inHalf) & 3;
            if (inHalf % 2 == 1 && place <= int(places >> (2 * inHalf - 2) & 3))
              llvm::report_fatal_error("places of a sparse matrix do not ascend");
            column = column / 2 * 4 + place;
          }
          a[lane / 4 + w % 2 * 8][column] =
              product.aType.read(word >> (8 * product.aType.bytes * i));
        }
    return a;
  }

  std::vector<std::vector<double>> readInputs(const Line &product) {
    SharedMatrix matrix(commonValueOf(product.operands[2][0]), product.bType,
                        /*isTransposed=*/false, sharedMemory, reads);
    std::vector<std::vector<double>> b(product.columns, std::vector<double>(product.depth));
    for (int column = 0; column < product.columns; ++column)
      for (int k = 0; k < product.depth; ++k)
        b[column][k] = matrix.read(column, k);
    return b;
  }

  void multiply(const Line &product) {
    size_t scale = product.isSparse ? 5 : 3;
    bool isAdded = commonValueOf(product.operands[scale][0]) == 1;
    std::vector<std::vector<double>> a = readWeights(product), b = readInputs(product);
    for (int lane = 0; lane < kWarpThreads; ++lane)
      for (int i = 0; i < product.columns / 2; ++i) {
        Operand operand = product.operands[0][i];
        int row = lane / 4 + (i % 4 < 2 ? 0 : 8), column = i / 4 * 8 + lane % 4 * 2 + i % 2;
        if (operand.kind != Operand::Numbered || operand.value >= results)
          llvm::report_fatal_error("sums of wgmma are not results of the text");
        uint32_t &result = calls[lane]->results[operand.value];
        float before;
        std::memcpy(&before, &result, sizeof before);
        double sum = product.isFloat ? double(before) : double(int32_t(result));
        if (!isAdded)
          sum = 0;
        for (int k = 0; k < product.depth; ++k)
          sum += a[row][k] * b[column][k];
        float rounded = float(sum);
        if (product.isFloat)
          std::memcpy(&result, &rounded, sizeof result);
        else
          result = uint32_t(int64_t(sum));
      }
  }

  size_t warp; // of the block, and so of its warpgroup the one that the lower two bits say
  MutableArrayRef<WarpCall *> calls;
  int64_t results;
  const uint8_t *sharedMemory;
  SharedReads &reads;
  std::vector<std::vector<uint64_t>> registers; // of each thread
};

} // namespace

void stc::runWarpgroupText(StringRef name, size_t warp, MutableArrayRef<WarpCall *> calls,
                           const uint8_t *sharedMemory, SharedReads &reads) {
  static std::map<std::string, Program, std::less<>> programs;
  auto [results, text] = name.split('\n').second.split('\n');
  auto found = programs.find(std::string_view(text));
  if (found == programs.end())
    found = programs.emplace(text.str(), Program(text)).first;
  WarpRun(warp, calls, numberOf(results), sharedMemory, reads).run(found->second);
}
