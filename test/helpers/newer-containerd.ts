import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The Debian release whose containerd is the first that takes differs as plugins (1.7). */
const RELEASE = 'trixie';
const PLACE = '/var/tmp/overlayer-test-peers';

/** Folder with the programs of a containerd that knows differs as plugins. */
export const NEWER_CONTAINERD = join(PLACE, `containerd-${RELEASE}/usr/bin`);

/** Gets Debian 13's containerd beside this system's own, by apt and without installing it. */
export function installNewerContainerd(): void {
  if (existsSync(NEWER_CONTAINERD)) return;
  const work = mkdtempSync(join(tmpdir(), 'overlayer-apt-'));
  try {
    const lists = join(work, 'lists');
    for (const directory of [join(lists, 'partial'), join(work, 'cache/archives/partial')])
      mkdirSync(directory, { recursive: true });
    writeFileSync(join(work, 'sources'), `deb [signed-by=${KEYRING}] ${mirror()} ${RELEASE} main\n`);
    writeFileSync(join(work, 'status'), '');
    const settings = {
      'Dir::Etc::sourcelist': join(work, 'sources'),
      'Dir::Etc::sourceparts': '-',
      'Dir::State::lists': lists,
      'Dir::State::status': join(work, 'status'),
      'Dir::Cache': join(work, 'cache'),
      'APT::Sandbox::User': 'root',
    };
    const options = Object.entries(settings).map(([name, value]) => `--option=${name}=${value}`);
    const apt = (...args: readonly string[]) =>
      execFileSync('apt-get', [...options, '--quiet=2', ...args], { cwd: work, stdio: 'pipe' });
    apt('update');
    apt('download', 'containerd');
    execFileSync('sh', ['-c', 'dpkg-deb --extract containerd_*.deb unpacked'], { cwd: work });
    mkdirSync(PLACE, { recursive: true });
    // Across file systems a rename would fail.
    execFileSync('cp', ['-r', 'unpacked', join(PLACE, 'new')], { cwd: work });
    renameSync(join(PLACE, 'new'), join(PLACE, `containerd-${RELEASE}`));
  } finally {
    rmSync(work, { recursive: true });
  }
}

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** Where this system's own packages come from. */
function mirror(): string {
  const targets = execFileSync(
    'apt-get',
    ['indextargets', '--format', '$(LABEL) $(REPO_URI)', 'Created-By: Packages'],
    { encoding: 'utf8' },
  );
  const [, uri] = /^Debian (\S+)$/m.exec(targets) ?? [];
  if (uri === undefined) throw new Error('apt knows no mirror of Debian');
  return uri;
}
