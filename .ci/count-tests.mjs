// Adds up the reports of vitest in a folder and prints one plain line. Fails where a test was skipped or none ran:
// in CI, as root and with apt, there is no reason to.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const [folder] = process.argv.slice(2);
const reports = readdirSync(folder).map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')));
const sum = (...fields) => reports.reduce((all, report) => fields.reduce((n, field) => n + report[field], all), 0);

const passed = sum('numPassedTests');
const failed = sum('numFailedTests');
const skipped = sum('numPendingTests', 'numTodoTests');
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exitCode = passed === 0 || failed > 0 || skipped > 0 ? 1 : 0;
