// rolldown.config.js makes the module from app/.
/** The script of the page. */
export const PAGE_SCRIPT: string;
/** The style sheet of the page. */
export const PAGE_STYLE: string;
