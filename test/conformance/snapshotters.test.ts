import { describe } from 'vitest';
import { suiteInNamespace } from './suite-in-namespace.js';

describe('root', () => {
  describe('overlay', () => suiteInNamespace({ backend: 'overlay', privileges: 'root' }));
  describe('native', () => suiteInNamespace({ backend: 'native', privileges: 'root' }));
  describe('erofs', () => suiteInNamespace({ backend: 'erofs', privileges: 'root' }));
});

// One id is mapped, and mknod(2) of devices is refused: what takes either is left out.
const except = ['owners change', 'owners and modes', 'inherits mode and owner', 'devices and pipes'];

describe('a user namespace', () => {
  describe('overlay', () => suiteInNamespace({ backend: 'overlay', privileges: 'user-namespace', except }));
  describe('native', () => suiteInNamespace({ backend: 'native', privileges: 'user-namespace', except }));
});
