import { run, versionOf } from './tools.ts';

const validator = versionOf('.cache/venv/bin/pip', 'show', '--disable-pip-version-check', 'openapi-spec-validator');

describe(`docs/openapi.json, read by openapi-spec-validator ${validator}`, () => {
  it('is OpenAPI', async function () {
    this.timeout(60_000);
    await run('.cache/venv/bin/openapi-spec-validator', ['docs/openapi.json']);
  });
});
