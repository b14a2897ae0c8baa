import { displayPath, type PullEvent } from '../../../index.js';
import { formatSeconds } from '../format.js';

/** Events that are shown even without progress. */
export type Notice = Extract<PullEvent, { readonly type: 'pass-over' | 'wait' | 'warning' }>;

export function isNotice(event: PullEvent): event is Notice {
  return event.type === 'pass-over' || event.type === 'wait' || event.type === 'warning';
}

/** One line of text. */
export function noticeText(notice: Notice): string {
  switch (notice.type) {
    case 'pass-over':
      return displayPath(`passed over ${notice.name}: ${notice.reason}`);
    case 'wait':
      return displayPath(`waiting ${formatSeconds(notice.delayMs / 1000)}: ${notice.reason}`);
    case 'warning':
      return displayPath(`warning: ${notice.message}`);
    default:
      return notice satisfies never;
  }
}
