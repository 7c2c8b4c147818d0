/** Runs an image and prints the most memory that took, in KB. */
import { runStrata } from '../test/bochs/strata';

const [image, megabytes, cmdline] = process.argv.slice(2);
runStrata({ image, megabytes: Number(megabytes), cmdline });
process.stdout.write(String(process.resourceUsage().maxRSS));
