import { emitKeypressEvents, type Key } from 'node:readline';
import { Box, render, Text, useApp, useStdout } from 'ink';
import { useEffect, useMemo, useReducer, useState } from 'react';
import { displayPath } from '../../index.js';
import type { ExplorerModel, View, WasteRow } from './explorer-model.js';
import {
  afterKey,
  type ExplorerKey,
  type ExplorerState,
  firstState,
  type ShownFile,
  shownRows,
} from './explorer-state.js';
import type { Mark, TreeNode } from './file-tree.js';

// This module is bundled with ink and React into a file of its own. It takes little else: types, and how names are shown.

/** Rows beside the panes: title, facts, heads, keys. One row stays free: ink would clear the screen at each change. */
const OTHER_ROWS = 5;
const DETAIL_ROWS = 6;
const BYTES_WIDTH = 8;

/** https://no-color.org: the letters say the same. */
const HAS_COLORS = (process.env['NO_COLOR'] ?? '') === '';

const COLORS: Readonly<Record<Mark, string | undefined>> = {
  ' ': undefined,
  A: 'green',
  C: 'yellow',
  M: 'cyan',
  D: 'red',
};

const KEYS = '↑↓ move  ←→ open  Tab pane  / filter  w waste  ? keys  q quit';

const HELP: readonly string[] = [
  '↑ ↓ j k          move',
  'PgUp PgDn g G    a page up or down, to the first or the last row',
  '→ Enter Space    open a directory, read a file; from the layers into the tree',
  '←                close a directory or file; go to its parent; back to the layers',
  'Tab              the other pane',
  '/                show only paths with a text; Esc shows all again',
  'w                what could be smaller',
  'q Ctrl-C         quit',
  '',
  'A added   C changed   M only metadata changed   D removed',
  'The bytes of a directory are those of all files below it.',
];

interface ExplorerOptions {
  /** Formats a number of bytes. */
  readonly formatBytes: (bytes: number) => string;
  /** Ends the screen. */
  readonly signal: AbortSignal;
}

const ALTERNATE_SCREEN = '\x1b[?1049h\x1b[2J\x1b[H';
const MAIN_SCREEN = '\x1b[?1049l';

/** Shows an image on the whole terminal until the user quits. */
export async function showExplorer(model: ExplorerModel, options: ExplorerOptions): Promise<void> {
  process.stdout.write(ALTERNATE_SCREEN);
  const restore = () => process.stdout.write(MAIN_SCREEN);
  process.once('exit', restore);
  try {
    const app = render(<Explorer model={model} formatBytes={options.formatBytes} />, {
      patchConsole: false,
      exitOnCtrlC: false,
    });
    const end = () => app.unmount();
    options.signal.addEventListener('abort', end, { once: true });
    await app.waitUntilExit();
    options.signal.removeEventListener('abort', end);
  } finally {
    process.removeListener('exit', restore);
    restore();
  }
}

function Explorer({ model, formatBytes }: { model: ExplorerModel; formatBytes: (bytes: number) => string }) {
  const { exit } = useApp();
  const [columns, lines] = useSize();
  const height = Math.max(lines - OTHER_ROWS, 4);
  const [state, press] = useReducer(
    (state: ExplorerState, key: ExplorerKey) => afterKey(model, state, key, height),
    model,
    firstState,
  );
  useKeys(press);
  const rows = useMemo(() => shownRows(model, state), [model, state]);
  const { file } = state;
  const unread = file !== undefined && file.lines === undefined ? file.path : undefined;
  useEffect(() => {
    if (unread !== undefined) void model.read(unread).then((lines) => press({ lines }));
  }, [model, unread]);
  useEffect(() => {
    if (state.mode === 'quit') exit();
  }, [state, exit]);
  const left = Math.min(Math.max(Math.floor(columns * 0.38), 26), 64);
  return (
    <Box flexDirection="column" width={columns} height={lines - 1}>
      <Text bold wrap="truncate-end">
        {model.title}
      </Text>
      <Text wrap="truncate-end">{model.facts}</Text>
      {state.mode === 'help' ? (
        <Help height={height + 1} />
      ) : file !== undefined ? (
        <FilePane file={file} height={height} />
      ) : state.mode === 'waste' ? (
        <WastePane rows={model.waste} cursor={state.wasteCursor} height={height} />
      ) : (
        <Box height={height + 1}>
          <LayersPane views={model.views} state={state} width={left} height={height} />
          <TreePane {...{ model, state, rows, height, formatBytes }} width={columns - left - 1} />
        </Box>
      )}
      <Text dimColor={state.mode !== 'filter'} wrap="truncate-end">
        {state.mode === 'filter' ? `/${state.filter}▏ Enter keeps it, Esc shows all` : KEYS}
      </Text>
    </Box>
  );
}

function LayersPane(props: { views: readonly View[]; state: ExplorerState; width: number; height: number }) {
  const { views, state, width, height } = props;
  const listHeight = Math.max(height - DETAIL_ROWS, 2);
  const first = firstRow(state.view, views.length, listHeight);
  return (
    <Box flexDirection="column" width={width} marginRight={1}>
      <Head text="LAYERS" focused={state.pane === 'layers'} />
      {views.slice(first, first + listHeight).map((view, at) => (
        <Text key={view.label} inverse={first + at === state.view} wrap="truncate-end">
          {`${view.label.padStart(5)} ${view.bytes.padStart(BYTES_WIDTH)}  ${view.summary}`}
        </Text>
      ))}
      <Box flexGrow={1} />
      <Box flexDirection="column" height={DETAIL_ROWS - 1} overflow="hidden">
        {views[state.view]!.details.map((line) => (
          <Text key={line} dimColor>
            {line}
          </Text>
        ))}
      </Box>
    </Box>
  );
}

function TreePane(props: {
  model: ExplorerModel;
  state: ExplorerState;
  rows: readonly TreeNode[];
  width: number;
  height: number;
  formatBytes: (bytes: number) => string;
}) {
  const { model, state, rows, width, height, formatBytes } = props;
  const { cursor, open } = state.trees[state.view]!;
  const first = firstRow(cursor, rows.length, height);
  const view = model.views[state.view]!;
  const what = view.label === 'image' ? 'FILES' : `CHANGES OF LAYER ${view.label}`;
  const filter = state.filter === '' ? '' : `  /${state.filter}`;
  const isFocused = state.pane === 'tree';
  return (
    <Box flexDirection="column" width={width}>
      <Head text={`${what}${filter}`} focused={isFocused} />
      {rows.length === 0 && <Text dimColor>{state.filter === '' ? '(nothing)' : '(no match)'}</Text>}
      {rows.slice(first, first + height).map((node, at) => {
        const isCursor = isFocused && first + at === cursor;
        const arrow = node.isDirectory ? (state.filter !== '' || open.has(node) ? '▾ ' : '▸ ') : '  ';
        const name = `${'  '.repeat(Math.min(node.depth - 1, 20))}${arrow}${node.name}${node.isDirectory ? '/' : ''}`;
        const color = HAS_COLORS ? COLORS[node.mark] : undefined;
        return (
          <Text key={node.path} inverse={isCursor} wrap="truncate-end" {...(color && { color })}>
            {`${node.mark} ${formatBytes(node.bytes).padStart(BYTES_WIDTH)} ${name}`}
            {node.note !== '' && <Text dimColor>{`  ${node.note}`}</Text>}
          </Text>
        );
      })}
    </Box>
  );
}

function WastePane({ rows, cursor, height }: { rows: readonly WasteRow[]; cursor: number; height: number }) {
  const first = firstRow(cursor, rows.length, height);
  return (
    <Box flexDirection="column" height={height + 1}>
      <Head text="WHAT COULD BE SMALLER   bytes, why, layers, path" focused />
      {rows.length === 0 && <Text dimColor>(nothing)</Text>}
      {rows.slice(first, first + height).map(({ bytes, why, layers, path }, at) => (
        <Text key={`${why} ${path}`} inverse={first + at === cursor} wrap="truncate-end">
          {`${bytes.padStart(BYTES_WIDTH)}  ${why.padEnd(13)}  ${layers.padEnd(8)}  ${path}`}
        </Text>
      ))}
    </Box>
  );
}

function FilePane({ file, height }: { file: ShownFile; height: number }) {
  const { path, lines, top } = file;
  return (
    <Box flexDirection="column" height={height + 1}>
      <Head text={`/${displayPath(path)}   Esc goes back`} focused />
      {lines === undefined && <Text dimColor>(reading)</Text>}
      {lines?.slice(top, top + height).map((line, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: lines have no other name
        <Text key={top + at} wrap="truncate-end">
          {line === '' ? ' ' : line}
        </Text>
      ))}
    </Box>
  );
}

function Help({ height }: { height: number }) {
  return (
    <Box flexDirection="column" height={height}>
      <Head text="KEYS" focused />
      {HELP.slice(0, height - 1).map((line, at) => (
        <Text key={line || String(at)} wrap="truncate-end">
          {line === '' ? ' ' : line}
        </Text>
      ))}
    </Box>
  );
}

function Head({ text, focused }: { text: string; focused: boolean }) {
  return (
    <Text bold={focused} dimColor={!focused} wrap="truncate-end">
      {`${focused ? '▌' : ' '}${text}`}
    </Text>
  );
}

/** The first row of a list that is shown, so that the cursor is in the middle where possible. */
function firstRow(cursor: number, length: number, height: number): number {
  return Math.max(0, Math.min(cursor - Math.floor(height / 2), length - height));
}

function sizeOf({ columns, rows }: NodeJS.WriteStream): readonly [number, number] {
  return [columns ?? 80, rows ?? 24];
}

/** Columns and rows of the terminal, also after it was resized. */
function useSize(): readonly [number, number] {
  const { stdout } = useStdout();
  const [size, setSize] = useState(() => sizeOf(stdout));
  useEffect(() => {
    const onResize = () => setSize(sizeOf(stdout));
    stdout.on('resize', onResize);
    return () => void stdout.off('resize', onResize);
  }, [stdout]);
  return size;
}

const NAMES: Readonly<Record<string, ExplorerKey>> = {
  up: 'up',
  down: 'down',
  left: 'left',
  right: 'right',
  pageup: 'pageUp',
  pagedown: 'pageDown',
  home: 'home',
  end: 'end',
  return: 'enter',
  enter: 'enter',
  escape: 'escape',
  tab: 'tab',
  backspace: 'backspace',
};

/** Reads keys by Node's parser. ink takes several keys that come in one piece for one key that it does not know. */
function useKeys(press: (key: ExplorerKey) => void): void {
  useEffect(() => {
    const { stdin } = process;
    const onKey = (text: string | undefined, key: Key) => {
      if (key.ctrl) {
        if (key.name === 'c') press('interrupt');
        return;
      }
      const name = NAMES[key.name ?? ''];
      // Escape and a key soon after it come as one key with Meta.
      if (key.meta && key.sequence?.length === 2) {
        press('escape');
        press({ text: key.sequence.slice(1) });
      } else if (name !== undefined) press(name);
      else if (text !== undefined && !key.meta) press({ text });
    };
    emitKeypressEvents(stdin);
    stdin.setRawMode(true);
    stdin.on('keypress', onKey).resume();
    return () => {
      stdin.off('keypress', onKey).pause();
      stdin.setRawMode(false);
    };
  }, [press]);
}
