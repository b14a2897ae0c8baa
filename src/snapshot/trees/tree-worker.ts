import { handleJobs } from '../../base/threads/worker-thread.js';
import { treeJobs } from './tree-jobs.js';

handleJobs(treeJobs);
