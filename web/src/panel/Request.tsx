/** The request of the selected picture with every setting. */
import { uploadOf } from "../api/addresses";
import { useDesign } from "../canvas/design";
import { rowsOf } from "../tree/words";
import classes from "./Panel.module.css";

export function Request() {
  const { request } = useDesign().selected;
  if (!request) return null;
  const references = request.references ?? [];
  return (
    <>
      {references.length > 0 && (
        <div className={classes.references}>
          {references.map(({ upload }, index) => (
            <img key={upload} src={uploadOf(upload)} alt={`Reference ${index + 1}`} loading="lazy" />
          ))}
        </div>
      )}
      <dl className={classes.rows}>
        {rowsOf(request).map(({ name, value }) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </>
  );
}
