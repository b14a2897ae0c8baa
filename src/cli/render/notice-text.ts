import { displayPath, type PullEvent, type RegistryNotice } from '../../index.js';
import { formatSeconds } from './format.js';

export function isNotice(event: PullEvent): event is RegistryNotice {
  return event.type === 'wait' || event.type === 'warning';
}

/** One line of text. */
export function noticeText(notice: RegistryNotice): string {
  const text =
    notice.type === 'wait'
      ? `waiting ${formatSeconds(notice.delayMs / 1000)}: ${notice.reason}`
      : `warning: ${notice.message}`;
  return displayPath(text);
}
