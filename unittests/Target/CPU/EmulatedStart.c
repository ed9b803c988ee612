/* Runs one generated kernel under an emulator, without a C library: reads arguments and buffers
 * from standard input and writes the buffers back to standard output (see Emulator.cpp). */
typedef unsigned long u64;
typedef unsigned char u8;

enum { MaxArguments = 12, Page = 4096, WrongVectorLength = 106 };

/* The same on every architecture that Linux got after 2010. */
enum { SysRead = 63, SysWrite = 64, SysExit = 93, SysMmap = 222, SysMprotect = 226, SysPrctl = 167 };

#if defined(__aarch64__)
#define JUMP "b"
static long call(long number, long a, long b, long c, long d, long e, long f) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc 0"
                   : "+r"(x0)
                   : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                   : "memory");
  return x0;
}
#elif defined(__riscv)
#define JUMP "tail"
static long call(long number, long a, long b, long c, long d, long e, long f) {
  register long a7 __asm__("a7") = number;
  register long a0 __asm__("a0") = a;
  register long a1 __asm__("a1") = b;
  register long a2 __asm__("a2") = c;
  register long a3 __asm__("a3") = d;
  register long a4 __asm__("a4") = e;
  register long a5 __asm__("a5") = f;
  __asm__ volatile("ecall"
                   : "+r"(a0)
                   : "r"(a7), "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5)
                   : "memory");
  return a0;
}
#else
#error "no start-up code for this architecture"
#endif

/* What the code generator may call on its own. */
void *memset(void *to, int value, u64 count) {
  for (volatile u8 *p = to; count; --count)
    *p++ = (u8)value;
  return to;
}

void *memcpy(void *to, const void *from, u64 count) {
  const u8 *q = from;
  for (volatile u8 *p = to; count; --count)
    *p++ = *q++;
  return to;
}

void *memmove(void *to, const void *from, u64 count) {
  const u8 *q = from;
  volatile u8 *p = to;
  if ((u64)p <= (u64)q)
    return memcpy(to, from, count);
  while (count--)
    p[count] = q[count];
  return to;
}

static _Noreturn void leave(int status) {
  call(SysExit, status, 0, 0, 0, 0, 0);
  __builtin_trap();
}

static void transfer(long number, int file, u8 *bytes, u64 count) {
  while (count) {
    long done = call(number, file, (long)bytes, (long)count, 0, 0, 0);
    if (done <= 0)
      leave(101);
    bytes += done;
    count -= (u64)done;
  }
}

static u64 readWord(void) {
  u64 word;
  transfer(SysRead, 0, (u8 *)&word, sizeof word);
  return word;
}

/* Memory that ends where a page begins that must not be touched. */
static u8 *allocate(u64 size) {
  u64 pages = (size + Page - 1) / Page * Page;
  /* Readable and writable; private and anonymous. */
  long mapping = call(SysMmap, 0, (long)(pages + Page), 1 | 2, 2 | 0x20, -1, 0);
  if (mapping < 0 && mapping > -Page)
    leave(102);
  if (call(SysMprotect, mapping + (long)pages, Page, 0, 0, 0, 0))
    leave(103);
  return (u8 *)mapping + pages - size;
}

/* The length of vectors in bits, 0 without those of variable length. */
static u64 vectorBits(void) {
  enum { GetVectorLength = 51, LengthMask = 0xFFFF }; /* PR_SVE_GET_VL */
  long answer = call(SysPrctl, GetVectorLength, 0, 0, 0, 0, 0);
  return answer < 0 ? 0 : (u64)(answer & LengthMask) * 8;
}

extern void _mlir_ciface_kernel(u64, u64, u64, u64, u64, u64, u64, u64, u64, u64, u64, u64);

void run(void) {
  static u8 *buffers[64];
  static u64 sizes[64], words[MaxArguments][8], arguments[MaxArguments];
  /* Code for one length of vectors is wrong with any other; 0 is for all. */
  u64 wantedBits = readWord();
  if (wantedBits != 0 && wantedBits != vectorBits())
    leave(WrongVectorLength);
  u64 bufferCount = readWord(), argumentCount = readWord();
  if (bufferCount > 64 || argumentCount > MaxArguments)
    leave(104);
  for (u64 i = 0; i < bufferCount; ++i)
    buffers[i] = allocate(sizes[i] = readWord());
  for (u64 i = 0; i < bufferCount; ++i)
    transfer(SysRead, 0, buffers[i], sizes[i]);
  for (u64 i = 0; i < argumentCount; ++i) {
    /* How many words, how many of them are buffers, then the words. One word is handed on, more
     * are a descriptor that is pointed to. */
    u64 count = readWord(), pointers = readWord();
    if (count > 8 || pointers > count)
      leave(105);
    for (u64 j = 0; j < count; ++j) {
      words[i][j] = readWord();
      if (j < pointers)
        words[i][j] = (u64)buffers[words[i][j]];
    }
    arguments[i] = count == 1 ? words[i][0] : (u64)words[i];
  }
  u64 *a = arguments;
  _mlir_ciface_kernel(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9], a[10], a[11]);
  for (u64 i = 0; i < bufferCount; ++i)
    transfer(SysWrite, 1, buffers[i], sizes[i]);
  leave(0);
}

/* The stack is aligned as the ABIs want it when a program starts. */
__asm__(".globl _start\n_start:\n" JUMP " run\n");
