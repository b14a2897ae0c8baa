import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, vi } from 'vitest';

/** What a user has told docker, for one test at a time. */
export interface UserConfiguration {
  writeConfig(content: object): void;
  /** `docker-credential-NAME`, on PATH. */
  writeHelper(name: string, script: string): void;
}

export function useUserConfiguration(directory: string): UserConfiguration {
  const config = join(directory, 'docker');
  const programs = join(directory, 'bin');
  const writeConfig = (content: object) =>
    writeFileSync(join(config, 'config.json'), JSON.stringify(content));
  beforeEach(() => {
    for (const path of [config, programs]) mkdirSync(path, { recursive: true });
    vi.stubEnv('DOCKER_CONFIG', config);
    vi.stubEnv('REGISTRY_AUTH_FILE', undefined);
    // What podman keeps is in none of these.
    vi.stubEnv('XDG_RUNTIME_DIR', directory);
    vi.stubEnv('XDG_CONFIG_HOME', directory);
    writeConfig({});
  });
  afterEach(() => vi.unstubAllEnvs());
  return {
    writeConfig,
    writeHelper(name, script) {
      vi.stubEnv('PATH', `relative:${programs}:${process.env['PATH']}`);
      writeFileSync(join(programs, `docker-credential-${name}`), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    },
  };
}

export const base64 = (text: string): string => Buffer.from(text).toString('base64');

export const BASIC = `Basic ${base64('user:secret')}`;
