import { S, type Stat } from '../system/system.js';

type NodeType = 'file' | 'directory' | 'symlink' | 'character-device' | 'block-device' | 'fifo' | 'socket';

export function nodeType({ mode }: Stat): NodeType {
  switch (mode & S.IFMT) {
    case S.IFREG:
      return 'file';
    case S.IFDIR:
      return 'directory';
    case S.IFLNK:
      return 'symlink';
    case S.IFCHR:
      return 'character-device';
    case S.IFBLK:
      return 'block-device';
    case S.IFIFO:
      return 'fifo';
    default:
      return 'socket';
  }
}
