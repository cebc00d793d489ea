/** The file of `--sidecar-env`: what all sidecars have in their environment. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { kubernetesFaults, kubernetesOf } from '../../../cli/controlplane/kubernetes-options.ts';

describe('the variables of all sidecars', () => {
  const directory = mkdtempSync(join(tmpdir(), 'l7mp-sidecar-env-'));
  const file = join(directory, 'env.yaml');
  after(() => rmSync(directory, { recursive: true }));

  const read = async (text: string): Promise<unknown> => {
    writeFileSync(file, text);
    const flags = { store: 'embedded:a', kubernetes: true, sidecarEnv: file } as const;
    return await kubernetesOf(flags).then(
      ({ sidecarEnv }) => sidecarEnv,
      (error: unknown) => (error as Error).message.replaceAll(file, 'FILE').split('\n'),
    );
  };

  it('are those of the file', async () => {
    const env = [{ name: 'OTEL_EXPORTER_OTLP_ENDPOINT', value: 'http://collector:4318' }];
    expect(await read(JSON.stringify(env))).to.deep.equal(env);
  });

  it('are refused at the start, where sidecars would not start with them', async () => {
    expect(await read('- { name: PATH }\n- { name: OTEL_A, value: 1 }')).to.deep.equal([
      '--sidecar-env FILE: env[0].name: expected a name as ^OTEL_, found PATH',
      '--sidecar-env FILE: env[1].value: expected text, in quotes, found 1',
    ]);
    const text = "- { name: OTEL_TRACES_EXPORTER, value: otlp }\n- { name: OTEL_BSP_MAX_QUEUE_SIZE, value: '0' }";
    expect(await read(text)).to.deep.equal([
      '--sidecar-env FILE: env[OTEL_BSP_MAX_QUEUE_SIZE]: expected a whole number of at least 1, found 0',
    ]);
  });

  it('want a webhook', () => {
    expect(kubernetesFaults({ store: 'embedded:a', kubernetes: true, sidecarEnv: file })).to.deep.equal([
      '--sidecar-env: expected --webhook-listen beside it, found none',
    ]);
    expect(kubernetesFaults({ store: 'embedded:a', sidecarEnv: file })).to.have.length(1);
  });
});
