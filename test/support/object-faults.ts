/** What is wrong with objects that a translation made, each by itself and with the others beside it. */
import { emptySnapshot } from '../../config/decode.ts';
import { checkEnvelope, decodeContent } from '../../controlplane/model/decode-content.ts';
import { faultLine } from '../../controlplane/model/faults.ts';
import { asObject, idOf, type ObjectContent } from '../../controlplane/model/object.ts';
import { Translator } from '../../controlplane/translate/translator.ts';

/** One line for each fault, and for each name that nothing has. Endpoints are not asked for: they come from elsewhere. */
export async function objectFaults(contents: readonly ObjectContent[]): Promise<string[]> {
  const others = emptySnapshot();
  const own = contents.flatMap((content) => {
    const faults = checkEnvelope(content);
    const all = faults.length > 0 ? faults : decodeContent(content, others).faults;
    return all.map((fault) => faultLine(content.key, fault));
  });
  const translator = new Translator();
  const inputs = contents.map((content) => {
    const object = asObject(content);
    return { id: object.id, object, audience: { selector: content.selector } };
  });
  (await translator.stage(inputs, [])).commit();
  const together = contents.flatMap(({ key }) => {
    const id = idOf(key);
    const { accepted = false, faults = [] } = translator.verdict(id) ?? {};
    const dangling = translator.warnings(id).filter(({ path }) => !path.endsWith('discovery'));
    return [...(accepted ? [] : faults), ...dangling].map((fault) => faultLine(key, fault));
  });
  return [...new Set([...own, ...together])];
}
