import { copyFileSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { useContainerd } from '../../daemon/use-containerd.js';
import { MountNamespace } from '../../helpers/mount-namespace.js';
import { makeWorkDirectory } from '../../helpers/work-directory.js';

// Images that overlayer made are read and run by other tools, and images of other tools are changed by overlayer.

const MAIN = join(import.meta.dirname, '../../../dist/cli/main.cjs');
const work = makeWorkDirectory();
const at = (name: string) => join(work, name);
const archive = at('app.tar');
let namespace: MountNamespace;

const overlayer = (line: string) =>
  namespace.run(`SOURCE_DATE_EPOCH=1700000000 ${process.execPath} ${MAIN} ${line} --root ${at('store')}`);
const configOf = async (image: string) =>
  JSON.parse(await namespace.run(`skopeo inspect --raw --config ${image}`));

beforeAll(async () => {
  mkdirSync(at('tree/bin'), { recursive: true });
  mkdirSync(at('tree/etc'));
  mkdirSync(at('mnt'));
  copyFileSync('/bin/busybox', at('tree/bin/busybox'));
  for (const name of ['sh', 'id', 'cat', 'sleep']) symlinkSync('busybox', at(`tree/bin/${name}`));
  writeFileSync(at('tree/etc/passwd'), 'root:x:0:0::/:\napp:x:1234:100::/:\n');
  writeFileSync(at('tree/etc/gone'), 'x');
  namespace = await MountNamespace.start('root');
  // crun has no word for a machine that mixes both versions.
  await namespace.run('mount -t cgroup2 none /sys/fs/cgroup');
  await overlayer(`append scratch ${at('tree')} -t base --progress none --backend overlay`);
  await overlayer(`mount --rw base ${at('mnt')}`);
  await namespace.run(`cd ${at('mnt')} && echo hello >etc/greeting && rm etc/gone`);
  const script = 'id -u; echo $HELLO; cat /etc/greeting; [ -e /etc/gone ] || echo gone';
  await overlayer(
    `commit ${at('mnt')} app:1 --progress none --user app --env HELLO=world --entrypoint '["/bin/sh","-c"]' --cmd '["${script}"]' --message committed`,
  );
  await overlayer(`export app:1 -o ${archive}`);
});
afterAll(async () => {
  await namespace.close();
  rmSync(work, { recursive: true });
});

const OUTPUT = '1234\nworld\nhello\ngone\n';

describe('a committed image', () => {
  test('skopeo reads its config and its history', async () => {
    expect(await configOf(`oci-archive:${archive}`)).toMatchObject({
      created: '2023-11-14T22:13:20Z',
      config: { User: 'app', Env: ['HELLO=world'], Entrypoint: ['/bin/sh', '-c'] },
      history: [
        { created_by: 'overlayer append' },
        { created: '2023-11-14T22:13:20Z', created_by: 'overlayer commit', comment: 'committed' },
      ],
    });
  });

  test('umoci unpacks it, and crun runs it', async () => {
    await namespace.run(
      `cd ${work} && skopeo copy -q --insecure-policy oci-archive:${archive} oci:layout:app && umoci unpack --image layout:app bundle`,
    );
    const path = at('bundle/config.json');
    writeFileSync(path, readFileSync(path, 'utf8').replace('"terminal": true', '"terminal": false'));
    const crun = `crun --root ${at('state')} --cgroup-manager=disabled`;
    expect(await namespace.run(`${crun} run --bundle ${at('bundle')} overlayer-test-build </dev/null`)).toBe(
      OUTPUT,
    );
  });

  test('podman and buildah run it', async () => {
    const storage = `--root ${at('podman')} --runroot ${at('podman-run')} --storage-driver vfs`;
    await namespace.run(`podman ${storage} load -q -i ${archive}`);
    const limits = '--ulimit nofile=1024:1024 --ulimit nproc=1024:1024';
    const podman = `podman ${storage} run --rm ${limits} --network none --cgroups=disabled`;
    expect(await namespace.run(`${podman} docker.io/library/app:1`)).toBe(OUTPUT);
    const container = (
      await namespace.run(`buildah ${storage} from --pull-never docker.io/library/app:1`)
    ).trim();
    const run = `buildah ${storage} run --isolation chroot ${container} -- /bin/sh -c 'id -u; cat /etc/greeting'`;
    expect(await namespace.run(run)).toBe('1234\nhello\n');
  });
});

describe('a committed image in containerd', () => {
  const used = useContainerd();

  test('is imported, and run by runc', async () => {
    const { containerd } = used;
    await containerd.ctr('images', 'import', '--snapshotter', 'overlayfs', archive);
    const run = ['run', '--rm', '--snapshotter', 'overlayfs', 'docker.io/library/app:1', 'built'];
    expect(await containerd.ctr(...run)).toBe(OUTPUT);
  });
});

describe('an image of another tool', () => {
  test('umoci and overlayer make the same layer of the same tar', async () => {
    await namespace.run(`cd ${work} && tar -C tree -cf layer.tar bin etc && gzip -k layer.tar
      umoci init --layout umoci && umoci new --image umoci:app && umoci raw add-layer --image umoci:app layer.tar`);
    const { rootfs } = await configOf(`oci:${at('umoci')}:app`);
    for (const form of ['layer.tar', 'layer.tar.gz']) {
      await overlayer(`append scratch ${at(form)} -t same --progress none`);
      const { config } = JSON.parse(await overlayer('images inspect same --json'));
      expect(config.diffIDs).toEqual(rootfs.diff_ids);
    }
  });

  test('a change of its config changes nothing else', async () => {
    const storage = `--root ${at('buildah')} --runroot ${at('buildah-run')} --storage-driver vfs`;
    await namespace.run(`cd ${work} && container=$(buildah ${storage} from scratch)
      buildah ${storage} copy -q $container tree /
      buildah ${storage} config --healthcheck 'CMD true' --onbuild 'RUN x' --shell '/bin/sh -e' --label one=1 --env A=1 $container
      buildah ${storage} commit -q --format docker $container built
      buildah ${storage} push -q localhost/built docker-archive:${at('built.tar')}:built`);
    await overlayer(`import ${at('built.tar')} --progress none`);
    await overlayer('config built -t changed --label two=2 --progress none');
    await overlayer(`export changed -o ${at('changed.tar')}`);
    const before = await configOf(`docker-archive:${at('built.tar')}`);
    const after = await configOf(`docker-archive:${at('changed.tar')}`);
    expect(before.config).toHaveProperty('Healthcheck');
    expect(after).toEqual({
      ...before,
      created: '2023-11-14T22:13:20Z',
      config: { ...before.config, Labels: { ...before.config.Labels, two: '2' } },
      history: [
        ...before.history,
        { created: '2023-11-14T22:13:20Z', created_by: 'overlayer config', empty_layer: true },
      ],
    });
  });
});
