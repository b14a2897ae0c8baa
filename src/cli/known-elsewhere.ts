/** Command names of docker, podman, ctr, skopeo, crane and umoci, with the command of overlayer that does the same. */
export const ANSWERS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  overlayer: {
    save: 'export',
    load: 'import',
    rmi: 'images rm',
    rm: 'images rm, or snapshots rm',
    ls: 'images ls, content ls or snapshots ls',
    list: 'images ls',
    image: 'images',
    tag: 'images tag',
    history: 'images inspect',
    dive: 'explore',
    analyze: 'explore',
    manifest: 'images inspect',
    prune: 'images prune',
    system: 'images prune, or images usage',
    umount: 'unmount',
    run: 'bundle, and then crun run --bundle',
    create: 'bundle, and then crun create --bundle',
    leases: 'content leases',
    snapshot: 'snapshots',
    blob: 'content get',
    extract: 'unpack',
    untar: 'unpack',
    cp: 'copy',
    mutate: 'config',
    flatten: 'squash',
    repack: 'commit',
    'add-layer': 'append',
    daemon: 'serve',
  },
  'overlayer images': {
    pull: 'pull',
    push: 'push',
    convert: 'convert',
    commit: 'commit',
    import: 'import',
    load: 'import',
    export: 'export',
    save: 'export',
    mount: 'mount',
    unmount: 'unmount',
    list: 'images ls',
    remove: 'images rm',
    delete: 'images rm',
    history: 'images inspect',
  },
  'overlayer content': {
    list: 'content ls',
    remove: 'content rm',
    delete: 'content rm',
    fetch: 'pull',
    active: 'content leases ls',
  },
  'overlayer snapshots': {
    list: 'snapshots ls',
    remove: 'snapshots rm',
    delete: 'snapshots rm',
    stat: 'snapshots info',
    umount: 'snapshots unmount',
  },
};

/** `overlayer export does that`, for the name of a command in another tool. */
export function knownElsewhere(parent: string, word: string): string | undefined {
  const answers = ANSWERS[parent];
  if (answers === undefined || !Object.hasOwn(answers, word)) return undefined;
  const answer = answers[word]!;
  return `overlayer ${answer} does that`;
}
