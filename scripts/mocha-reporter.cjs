/** Mocha's Spec, which also tells why a test ran once more: who passes at the second go hides a fault of the test, or of ours. */
const { reporters, Runner } = require('mocha');

module.exports = class extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    const told = [];
    runner.on(Runner.constants.EVENT_TEST_RETRY, (test, error) => {
      told.push(`  ${test.fullTitle()}:\n${(error.stack ?? String(error)).replace(/^/gmu, '      ')}\n`);
    });
    // After Spec, which listens to the same event and came first.
    runner.once(Runner.constants.EVENT_RUN_END, () => {
      if (told.length > 0) reporters.Base.consoleLog([`  ${told.length} retried\n`, ...told].join('\n'));
    });
  }
};
