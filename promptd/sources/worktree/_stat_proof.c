/* Whether `stat` says of each place what it said before: the one loop of the hot path that is worth C.
 *
 * A plain shared library without Python's headers, called through ctypes; promptd works without it (stat_proof.py
 * has the same loop in Python). Compiled by the build hook:  cc -O2 -shared -fPIC -o _stat_proof.so _stat_proof.c */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_openat2
#define SYS_openat2 437
#endif
enum { NO_XDEV = 0x01, NO_MAGICLINKS = 0x02, NO_SYMLINKS = 0x04, BENEATH = 0x08 }; /* openat2(2): resolve */

typedef struct {
  uint64_t device, inode, size, mtime_ns, ctime_ns;
} signature;

typedef struct {
  uint64_t is_link; /* it was reached as a link: its own signature */
  signature before;
} expected;

static uint64_t ns(struct timespec t) { return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec; }

/* As beneath.unseen: all zeros for nothing, (-1, errno, 0, 0, 0) for what cannot be seen. */
static signature unseen(int error) {
  if (error == ENOENT || error == ENOTDIR || error == ENAMETOOLONG) return (signature){0};
  return (signature){(uint64_t)-1, (uint64_t)error, 0, 0, 0};
}

/* What stands in the directory `at` itself, as stat_proof._found; -errno for a directory that cannot be opened. */
static signature look(int at, const char *name, int is_link) {
  struct stat found;
  if (at < 0) return unseen(-at);
  if (fstatat(at, name, &found, AT_SYMLINK_NOFOLLOW) != 0) return unseen(errno);
  if (S_ISDIR(found.st_mode)) return (signature){0};
  if (!S_ISLNK(found.st_mode) != !is_link) return unseen(ELOOP);
  return (signature){found.st_dev, found.st_ino, (uint64_t)found.st_size, ns(found.st_mtim), ns(found.st_ctim)};
}

/* The directory, or -errno. A root is opened as it is written, but through no magic link; what is below it through no
 * link at all and on the same file system, so that this can neither be led out nor wait for another server. */
static int opened(int top, const char *path, int is_root) {
  const struct { uint64_t flags, mode, resolve; } how = {
      O_PATH | O_DIRECTORY | O_CLOEXEC, 0,
      is_root ? NO_MAGICLINKS : BENEATH | NO_SYMLINKS | NO_MAGICLINKS | NO_XDEV};
  if (!is_root && top < 0) return top;
  long found = syscall(SYS_openat2, is_root ? AT_FDCWD : top, path, &how, sizeof how);
  return found < 0 ? -errno : (int)found;
}

static int uncertain(int at) { return at == -ELOOP || at == -EXDEV || at == -ENOSYS || at == -EAGAIN; }

/* `proof`: directories, each with what it is (1 a root, 0 below the root before it, 2 the end), the number of its
 * entries, what is expected of each, its path and their names, each with its 0. 1 if all are as they were. Another
 * way to call it needs another name: a file left over from an earlier build is then not used. */
int promptd_stand_beneath(const char *proof) {
  int top = -ENOENT, same = 1;
  while (same) {
    uint64_t kind, count;
    memcpy(&kind, proof, sizeof kind);
    memcpy(&count, proof + sizeof kind, sizeof count);
    if (kind == 2) break;
    const char *before = proof + sizeof kind + sizeof count, *name = before + count * sizeof(expected);
    if (kind == 1 && top >= 0) close(top);
    int at = opened(top, name, kind == 1);
    if (kind == 1) top = at;
    same = !uncertain(at);
    name += strlen(name) + 1;
    for (; same && count > 0; count--, name += strlen(name) + 1, before += sizeof(expected)) {
      expected entry;
      memcpy(&entry, before, sizeof entry);
      signature now = look(at, name, (int)entry.is_link);
      same = memcmp(&now, &entry.before, sizeof now) == 0;
    }
    proof = name;
    if (kind != 1 && at >= 0) close(at);
  }
  if (top >= 0) close(top);
  return same;
}
