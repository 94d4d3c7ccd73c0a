#!/usr/bin/env node
/* The first file of the program, in plain old JavaScript: on a Node that is too old it must be able to say so. */
'use strict'

var needed = [22, 19]
var found = process.versions.node.split('.').map(Number)
var isOld = found[0] < needed[0] || (found[0] === needed[0] && found[1] < needed[1])

if (isOld) {
  process.stderr.write(
    'switchgate: this is Node ' +
      process.versions.node +
      ', and Node ' +
      needed.join('.') +
      ' or newer is needed.\n' +
      'Upgrade Node (https://nodejs.org), or run it once with a newer one:\n' +
      '  npx -y -p node@24 -p switchgate switchgate\n' +
      'In a checkout `npm start` uses the Node that `npm ci` has installed.\n',
  )
  process.exit(1)
}

function fail(error) {
  var isUnbuilt = error.code === 'ERR_MODULE_NOT_FOUND' && /cli[\\/]main\.js/.test(String(error.message))
  process.stderr.write('switchgate: ')
  process.stderr.write(isUnbuilt ? 'it is not built yet. Run: npm run build' : String(error.stack || error))
  process.stderr.write('\n')
  process.exit(1)
}

import('../dist/src/cli/main.js').catch(fail)
