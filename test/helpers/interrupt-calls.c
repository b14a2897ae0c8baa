/*
 * interrupt-calls NUMBER ERRNO COUNT EXCEPT COMMAND...: runs a command, and ends it or refuses one call when it changes
 * files.
 * interrupt-calls each SHELL COUNT EXCEPT COMMAND...: before each such call, runs a line of shell with its number in CALL.
 *
 * Counts the calls of all threads and processes of the command that change names, write at an offset, or flush. Calls on
 * standard streams are left out, and those on an open file whose path contains EXCEPT if that is not empty. Before call
 * NUMBER (from 1; 0: none) the command is killed, or the call fails with ERRNO if that is not 0. The number of all calls
 * is written to the file COUNT at the end. Exits as the command does, or with 137 when it was killed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const unsigned CALLS[] = {
#ifdef SYS_rename
    SYS_rename, SYS_link, SYS_unlink, SYS_rmdir, SYS_mkdir, SYS_symlink,
#endif
    SYS_renameat, SYS_renameat2, SYS_linkat, SYS_unlinkat, SYS_mkdirat, SYS_symlinkat, SYS_mknodat,
#define FIRST_OF_OPEN_FILE SYS_pwrite64
    SYS_pwrite64, SYS_pwritev, SYS_ftruncate, SYS_fallocate, SYS_copy_file_range,
    SYS_fsync, SYS_fdatasync, SYS_syncfs};
enum { COUNT = sizeof CALLS / sizeof *CALLS };

/**
 * Whether the call is on a standard stream, or on an open file whose path contains the text: the calls from
 * FIRST_OF_OPEN_FILE have it first. Node flushes its standard streams when it exits, and tries for ever if that is refused.
 */
static int is_left_out(const struct seccomp_notif *request, const char *text) {
  int index = 0;
  while (CALLS[index] != FIRST_OF_OPEN_FILE) {
    if (CALLS[index] == (unsigned)request->data.nr) return 0;
    index++;
  }
  if (request->data.args[0] <= STDERR_FILENO) return 1;
  if (*text == 0) return 0;
  char link[64];
  char path[4096];
  snprintf(link, sizeof link, "/proc/%u/fd/%u", request->pid, (unsigned)request->data.args[0]);
  const ssize_t length = readlink(link, path, sizeof path - 1);
  path[length < 0 ? 0 : length] = 0;
  return strstr(path, text) != NULL;
}

/** Memory of both processes: the number of the listener's descriptor, which they share until the command runs. */
static volatile int *listener;

static int run(void *words) {
  struct sock_filter rules[COUNT + 3] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))};
  for (int index = 0; index < COUNT; index++)
    rules[index + 1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CALLS[index], COUNT - index, 0);
  rules[COUNT + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  rules[COUNT + 2] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
  struct sock_fprog program = {COUNT + 3, rules};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) _exit(126);
  int descriptor =
      syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
  *listener = descriptor < 0 ? -2 : descriptor;
  if (descriptor < 0) _exit(126);
  char **command = words;
  execvp(command[0], command);
  _exit(127);
}

int main(int count, char **words) {
  if (count < 6) return 2;
  const char *shell = strcmp(words[1], "each") == 0 ? words[2] : NULL;
  const long wanted = shell == NULL ? atol(words[1]) : 0;
  const int error = shell == NULL ? atoi(words[2]) : 0;
  const int stack_size = 1 << 20;
  listener = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  char *stack = mmap(NULL, stack_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (listener == MAP_FAILED || stack == MAP_FAILED) return 2;
  *listener = -1;
  const pid_t child = clone(run, stack + stack_size, CLONE_FILES | SIGCHLD, words + 5);
  if (child < 0) return 2;
  while (*listener == -1) sched_yield();
  if (*listener == -2) return 2;

  long calls = 0;
  struct seccomp_notif request;
  for (;;) {
    struct pollfd waiting = {*listener, POLLIN, 0};
    if (poll(&waiting, 1, -1) < 0 && errno != EINTR) return 2;
    if (waiting.revents & POLLHUP) break;
    if (!(waiting.revents & POLLIN)) continue;
    request = (struct seccomp_notif){0};
    // The caller may have been killed since.
    if (ioctl(*listener, SECCOMP_IOCTL_NOTIF_RECV, &request) < 0) continue;
    struct seccomp_notif_resp response = {.id = request.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
    const int counts = !is_left_out(&request, words[4]);
    calls += counts;
    if (counts && shell != NULL) {
      char number[32];
      snprintf(number, sizeof number, "%ld", calls);
      if (setenv("CALL", number, 1) || system(shell)) return 2;
    }
    if (counts && calls == wanted) {
      if (error == 0) {
        kill(child, SIGKILL);
        continue;
      }
      response = (struct seccomp_notif_resp){.id = request.id, .error = -error};
    }
    ioctl(*listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
  }
  int status;
  if (waitpid(child, &status, 0) < 0) return 2;
  FILE *file = fopen(words[3], "w");
  if (file == NULL || fprintf(file, "%ld\n", calls) < 0 || fclose(file)) return 2;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
