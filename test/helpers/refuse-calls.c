/* refuse-calls CALL ERRNO COMMAND...: runs a command to which the kernel refuses one call, as a sandbox (seccomp) does. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
  const char *name;
  unsigned number;
} CALLS[] = {{"openat2", 437}, {"fsopen", 430}, {"getxattrat", 464}, {"flock", SYS_flock}, {"renameat2", SYS_renameat2}, {"syncfs", SYS_syncfs},
#ifdef SYS_chmod
             {"chmod", SYS_chmod},
#endif
             {"fchmodat", SYS_fchmodat}};

int main(int count, char **words) {
  if (count < 4) return 2;
  for (size_t index = 0; index < sizeof CALLS / sizeof *CALLS; index++) {
    if (strcmp(CALLS[index].name, words[1]) != 0) continue;
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CALLS[index].number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | atoi(words[2])),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof rules / sizeof *rules, rules};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) break;
    execvp(words[3], words + 3);
  }
  perror("refuse-calls");
  return 1;
}
