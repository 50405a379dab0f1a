#!/usr/bin/env node
import { runCommandLine } from './command-line.ts'

// Who reads no further, such as `head`, has seen enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))

const exitCode = await runCommandLine(process.argv.slice(2))
// What is left of a connection to a server that froze would keep the process, so it is ended once all is written.
process.stdout.write('', () => process.stderr.write('', () => process.exit(exitCode)))
