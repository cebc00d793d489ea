/** The options of .mocharc.json without its list of tests, for those who give mocha one of their own. */
const { spec: _all, ...options } = require('../.mocharc.json');

module.exports = options;
