//! Dashboards as JSON for Grafana: schema 39, of Grafana 10.4, 11 and later.

use serde_json::{Value, json};

use super::model::{Dashboard, Kind, Panel, Row, expanded};

/// The columns that Grafana divides a dashboard into.
const COLUMNS: u32 = 24;

impl Dashboard {
    /// Returns the dashboard, with panels laid out from left to right and from top to bottom.
    pub(super) fn json(&self) -> Value {
        let mut panels = Vec::new();
        let mut id = 1;
        let mut y = 0;
        for row in &self.rows {
            panels.push(json!({
                "id": id,
                "type": "row",
                "title": row.title,
                "collapsed": false,
                "gridPos": { "h": 1, "w": COLUMNS, "x": 0, "y": y },
                "panels": [],
            }));
            id += 1;
            y += 1;
            for line in row.lines() {
                let height = line.iter().map(|panel| panel.height()).max().unwrap_or(0);
                let mut x = 0;
                for panel in line {
                    let place = json!({ "h": height, "w": panel.width, "x": x, "y": y });
                    panels.push(panel.json(id, &place));
                    id += 1;
                    x += panel.width;
                }
                y += height;
            }
        }
        json!({
            "uid": self.uid,
            "title": self.title,
            "description": self.about,
            "tags": ["plimsoll"],
            "schemaVersion": 39,
            "version": 1,
            "editable": true,
            "graphTooltip": 1,
            "refresh": "30s",
            "time": { "from": "now-3h", "to": "now" },
            "timezone": "browser",
            "links": [{
                "type": "dashboards",
                "title": "Others",
                "tags": ["plimsoll"],
                "asDropdown": false,
                "includeVars": true,
                "keepTime": true,
            }],
            "templating": { "list": variables() },
            "annotations": { "list": annotations() },
            "panels": panels,
        })
    }
}

impl Row {
    /// Splits its panels into lines that fit the width.
    fn lines(&self) -> Vec<Vec<&Panel>> {
        let mut lines: Vec<Vec<&Panel>> = Vec::new();
        let mut free = 0;
        for panel in &self.panels {
            match lines.last_mut() {
                Some(line) if panel.width <= free => line.push(panel),
                _ => {
                    lines.push(vec![panel]);
                    free = COLUMNS;
                }
            }
            free -= panel.width;
        }
        lines
    }
}

impl Panel {
    fn height(&self) -> u32 {
        if self.kind == Kind::Stat { 4 } else { 8 }
    }

    fn json(&self, id: u32, place: &Value) -> Value {
        let is_instant = self.kind == Kind::Table;
        let format = match self.kind {
            Kind::Heatmap => "heatmap",
            Kind::Table => "table",
            _ => "time_series",
        };
        let targets: Vec<Value> = (b'A'..=b'Z')
            .zip(&self.queries)
            .map(|(letter, (expression, legend))| {
                json!({
                    "datasource": datasource(),
                    "editorMode": "code",
                    "expr": expression,
                    "format": format,
                    "instant": is_instant,
                    "legendFormat": legend,
                    "range": !is_instant,
                    "refId": char::from(letter).to_string(),
                })
            })
            .collect();
        let mut panel = json!({
            "id": id,
            "type": self.plugin(),
            "title": self.title,
            "description": self.about,
            "datasource": datasource(),
            "gridPos": place,
            "fieldConfig": { "defaults": self.defaults(), "overrides": self.overrides() },
            "options": self.options(),
            "targets": targets,
        });
        if self.kind == Kind::Table {
            let hidden =
                json!({ "Time": true, "Value": true, "__name__": true, "alertstate": true });
            panel["transformations"] = json!([
                { "id": "organize", "options": { "excludeByName": hidden } }
            ]);
        }
        panel
    }

    fn plugin(&self) -> &'static str {
        match self.kind {
            Kind::Series | Kind::Stacked => "timeseries",
            Kind::Stat => "stat",
            Kind::Heatmap => "heatmap",
            Kind::States => "state-timeline",
            Kind::Table => "table",
        }
    }

    fn defaults(&self) -> Value {
        let mut steps = vec![json!({ "color": self.base, "value": null })];
        let further = self.thresholds.iter();
        steps.extend(further.map(|(value, color)| json!({ "color": color, "value": value })));
        let has_limits = !self.thresholds.is_empty();
        let color = match self.kind {
            Kind::Series | Kind::Stacked | Kind::Heatmap => "palette-classic",
            Kind::Stat | Kind::States | Kind::Table => "thresholds",
        };
        let custom = match self.kind {
            Kind::Series | Kind::Stacked => {
                let is_stacked = self.kind == Kind::Stacked;
                json!({
                    "drawStyle": "line",
                    "fillOpacity": if is_stacked { 40 } else { 8 },
                    "lineWidth": 1,
                    "showPoints": "never",
                    "spanNulls": false,
                    "stacking": { "group": "A", "mode": if is_stacked { "normal" } else { "none" } },
                    "thresholdsStyle": { "mode": if has_limits { "dashed" } else { "off" } },
                })
            }
            Kind::States => json!({ "fillOpacity": 70, "lineWidth": 0 }),
            Kind::Stat | Kind::Heatmap | Kind::Table => json!({}),
        };
        let mut defaults = json!({
            "color": { "mode": color },
            "custom": custom,
            "thresholds": { "mode": "absolute", "steps": steps },
            "unit": self.unit,
        });
        if matches!(self.kind, Kind::Series | Kind::Stacked) {
            // An axis that starts at the lowest value exaggerates noise.
            defaults["min"] = json!(0);
        }
        if let Some(max) = self.max {
            defaults["max"] = json!(max);
        }
        if !self.mappings.is_empty() {
            let options: serde_json::Map<_, _> = (0..)
                .zip(&self.mappings)
                .map(|(index, (value, text, color))| {
                    let option = json!({ "text": text, "color": color, "index": index });
                    (value.to_string(), option)
                })
                .collect();
            defaults["mappings"] = json!([{ "type": "value", "options": options }]);
        }
        defaults
    }

    fn overrides(&self) -> Vec<Value> {
        let colours = self.colours.iter().map(|(legend, colour)| {
            let fixed = json!({ "mode": "fixed", "fixedColor": colour });
            json!({
                "matcher": { "id": "byName", "options": legend },
                "properties": [{ "id": "color", "value": fixed }],
            })
        });
        colours.collect()
    }

    fn options(&self) -> Value {
        match self.kind {
            Kind::Series | Kind::Stacked => json!({
                "legend": {
                    "calcs": ["lastNotNull", "max"],
                    "displayMode": "table",
                    "placement": "bottom",
                    "showLegend": true,
                },
                "tooltip": { "mode": "multi", "sort": "desc" },
            }),
            Kind::Stat => json!({
                "colorMode": if self.thresholds.is_empty() { "value" } else { "background" },
                "graphMode": "area",
                "justifyMode": "auto",
                "orientation": "auto",
                "reduceOptions": { "calcs": ["lastNotNull"], "fields": "", "values": false },
                "textMode": "auto",
            }),
            Kind::Heatmap => json!({
                "calculate": false,
                "cellGap": 1,
                "color": { "mode": "scheme", "scheme": "Oranges", "steps": 64 },
                "filterValues": { "le": 1e-9 },
                "legend": { "show": true },
                "rowsFrame": { "layout": "auto" },
                "tooltip": { "mode": "single", "yHistogram": false },
                "yAxis": { "axisPlacement": "left", "unit": self.unit },
            }),
            Kind::States => json!({
                "alignValue": "left",
                "legend": { "displayMode": "list", "placement": "bottom", "showLegend": true },
                "mergeValues": true,
                "rowHeight": 0.8,
                "showValue": "auto",
                "tooltip": { "mode": "single", "sort": "none" },
            }),
            Kind::Table => json!({ "cellHeight": "sm", "showHeader": true }),
        }
    }
}

fn datasource() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}

fn variables() -> Value {
    let query = |name: &str, label: &str, query: &str| {
        json!({
            "name": name,
            "label": label,
            "type": "query",
            "datasource": datasource(),
            "definition": query,
            "query": { "qryType": 1, "query": query, "refId": "PrometheusVariableQueryEditor" },
            // Refresh when the range changes, since instances start and stop.
            "refresh": 2,
            "sort": 1,
        })
    };
    let job = query("job", "Service", "label_values(service_state, job)");
    let mut instance = query(
        "instance",
        "Instance",
        r#"label_values(service_state{job="$job"}, instance)"#,
    );
    instance["multi"] = json!(true);
    instance["includeAll"] = json!(true);
    instance["allValue"] = json!(".*");
    instance["current"] = json!({ "selected": true, "text": ["All"], "value": ["$__all"] });
    let source = json!({
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
    });
    json!([source, job, instance])
}

/// Marks in all panels: starts and new versions, the most frequent causes of a change.
fn annotations() -> Value {
    let mark = |name: &str, color: &str, expression: &str, title: &str| {
        json!({
            "name": name,
            "enable": true,
            "iconColor": color,
            "datasource": datasource(),
            "target": { "expr": expanded(expression), "refId": "Anno" },
            "titleFormat": title,
        })
    };
    let mut starts = mark(
        "Starts",
        "blue",
        "process_start_time_seconds{@all} * 1000",
        "{{instance}} started",
    );
    // The value is the time.
    starts["useValueForTime"] = json!(true);
    let versions = mark(
        "New versions",
        "purple",
        "count by (version) (build_info{@all}) unless on (version) count by (version) (build_info{@all} offset 5m)",
        "version {{version}}",
    );
    json!([starts, versions])
}
